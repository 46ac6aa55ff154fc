using Berth.Engine.Git;

namespace Berth.Engine.Workspaces;

/// <summary>What is asked of a repository at each submission, read from one answer of git.</summary>
/// <param name="Commit">The commit that a run would start from, or null in an empty repository.</param>
/// <param name="Head">What HEAD points to; no branch where it is detached.</param>
/// <remarks>
/// Git takes longer to start than to answer, so a server asks it once. Only the usual answer is understood here: a
/// commit, a HEAD, and nothing in the branch's way. For any other the questions are asked one by one, and what is wrong
/// gets its name there.
/// </remarks>
internal sealed record RepositoryGlance(string? Commit, string Head)
{
    private const string Heads = "refs/heads/";

    /// <summary>The refs that would stand in a branch's way, as <c>rev-parse --glob</c> wants them; or null where they
    /// cannot be said so.</summary>
    internal static IReadOnlyList<string>? Patterns(string branch)
    {
        // Without brackets a pattern means what lies below it.
        List<string> patterns = [Heads + branch];
        for (var end = branch.Length; end > 0; end = branch.LastIndexOf('/', end - 1))
        {
            var start = branch.LastIndexOf('/', end - 1) + 1;
            var letter = start;
            while (letter < end && !char.IsAsciiLetterOrDigit(branch[letter]))
            {
                letter++;
            }

            if (letter == end)
            {
                return null;
            }

            patterns.Add($"{Heads}{branch[..letter]}[{branch[letter]}]{branch[(letter + 1)..end]}");
        }

        return patterns;
    }

    /// <summary>Reads the answer, or gives null where it is not the usual one.</summary>
    internal static RepositoryGlance? Read(GitResult said, string branch) =>
        said.Succeeded && said.Line.Split('\n') is [{ Length: 40 or 64 } commit, var head]
        && commit.All(char.IsAsciiHexDigitLower)
        && (head is "HEAD" || (head.StartsWith("refs/", StringComparison.Ordinal) && !IsInTheWay(head, branch)))
            ? new RepositoryGlance(commit, head)
            : null;

    // Where "HEAD" is the name of a branch too, git leaves its line out, and another one stands there.
    private static bool IsInTheWay(string reference, string branch) =>
        string.Equals(reference, Heads + branch, StringComparison.Ordinal)
        || reference.StartsWith($"{Heads}{branch}/", StringComparison.Ordinal)
        || $"{Heads}{branch}".StartsWith(reference + "/", StringComparison.Ordinal);
}
