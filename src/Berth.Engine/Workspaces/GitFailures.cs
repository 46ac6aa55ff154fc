using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Turns what went wrong in git into a failure that says whose it is and what to do.</summary>
internal static class GitFailures
{
    /// <summary>A transfer from, or a question to, the repository of the run failed.</summary>
    internal static FailureException OfSource(RepositorySource source, string attempted, GitResult result)
    {
        var isPath = source.Kind == RepositoryKind.Path;
        var (code, hint, fault) = result.Problem switch
        {
            GitProblem.NotFound or GitProblem.NotARepository =>
                ("repository_not_found", "Check the path or URL, and whether you may read it.", Fault.User),
            GitProblem.Authentication =>
                ("repository_authentication_failed",
                 "Make 'git ls-remote' of it work without a question: a credential helper, or an ssh key.",
                 Fault.Operator),
            GitProblem.Untrusted =>
                ("repository_not_trusted",
                 "For ssh, connect to it once by hand and check its key; for https, name its authority to git "
                 + "(http.sslCAInfo).",
                 Fault.Operator),
            GitProblem.Network when !isPath =>
                ("repository_unreachable", "Check the host name, the network and the proxy, then run it again.",
                    Fault.Nobody),
            GitProblem.RefMissing =>
                ("ref_not_found", "Name a branch, tag or commit that is there; 'git ls-remote' lists them.",
                    Fault.User),
            GitProblem.Permission when isPath =>
                ("repository_permission_denied", "Let the user that Berth runs as read the repository.", Fault.User),
            GitProblem.Corrupt or GitProblem.Network or GitProblem.BadObjects =>
                ("repository_corrupt", "Run 'git fsck' in it. A partial clone has to be completed first.", Fault.User),
            _ => OfAny(result),
        };
        return new FailureException(code, Sentence(attempted, result), hint, fault);
    }

    /// <summary>Something failed in a repository of ours.</summary>
    internal static FailureException OfOurs(string attempted, GitResult result)
    {
        var (code, hint, fault) = OfAny(result);
        return new FailureException(code, Sentence(attempted, result), hint, fault);
    }

    private static (string Code, string Hint, Fault Fault) OfAny(GitResult result) => result.Problem switch
    {
        GitProblem.DiskFull =>
            ("disk_full", "Free some space ('berth cleanup' removes old runs), then run it again.", Fault.Operator),
        GitProblem.OutOfMemory => ("git_memory",
            "An object of the run unfolds to more than the 1 GiB that git may have on the host. "
            + "Its workspace or branch has it.",
            Fault.Agent),
        GitProblem.TimedOut => ("git_timed_out",
            "The repository or the machine is too slow for the time limit; try again.", Fault.Operator),
        GitProblem.Permission =>
            ("git_permission_denied", "The folder must belong to the user that Berth runs as.", Fault.Operator),
        GitProblem.Corrupt or GitProblem.NotARepository or GitProblem.Locked =>
            ("mirror_corrupt", "It was healed once and is damaged again: check the disk, then remove the mirror.",
                Fault.Operator),
        _ => ("git_failed", "Please report this with the message.", Fault.Berth),
    };

    private static string Sentence(string attempted, GitResult result) => $"{attempted} failed: {result.Excerpt}";
}
