using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>The branch and the ref that a request names.</summary>
internal static class RequestedNames
{
    /// <summary>Refuses a name that git would not take, or would take for something else.</summary>
    /// <exception cref="FailureException"><c>branch_invalid</c>, <c>ref_invalid</c>.</exception>
    internal static void Check(string? reference, string branch)
    {
        if (BranchName.Problem(branch) is { } problem)
        {
            throw new FailureException(
                "branch_invalid",
                $"The branch name '{branch}' {problem}.",
                "Use letters, digits, '-', '_', '.' and '/', as 'git check-ref-format --branch' allows.",
                Fault.User);
        }

        if (reference is not null
            && (reference.Length == 0 || reference[0] is '-' or '^' || reference.Any(char.IsControl)))
        {
            throw new FailureException(
                "ref_invalid",
                $"The ref '{reference}' is empty, starts with a dash or '^', or holds a control character.",
                "Name a branch, tag or commit.",
                Fault.User);
        }
    }
}
