using Berth.Engine.Forges;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>What came of pushing a run's branch.</summary>
internal enum PushState
{
    /// <summary>The remote has the branch.</summary>
    Pushed,

    /// <summary>The remote refused, or could not be reached. The work is kept.</summary>
    Failed,

    /// <summary>A secret is in what would have been sent, so nothing was. The work is kept.</summary>
    Blocked,
}

/// <summary>A run's push.</summary>
internal sealed record PushRecord
{
    public required PushState State { get; init; }

    /// <summary>The remote's URL or path.</summary>
    public required string Remote { get; init; }

    /// <summary>The branch there, or what it is to be called: the run's, with a number behind it where the name was
    /// taken.</summary>
    public required string Branch { get; init; }

    /// <summary>The commit that the branch has there.</summary>
    public string? Commit { get; init; }

    /// <summary>The pull request that was opened for it, or null.</summary>
    public PullRequestRecord? PullRequest { get; init; }

    /// <summary>How often the remote was asked, by all calls together.</summary>
    public int Attempts { get; init; }

    /// <summary>Why it is not there, or null.</summary>
    public Failure? Error { get; init; }

    /// <summary>What people should know of it, though it is there.</summary>
    public IEnumerable<string> Notices()
    {
        foreach (var warning in PullRequest?.Warnings ?? [])
        {
            yield return warning;
        }

        if (PullRequest?.MovedTo is { } place)
        {
            yield return $"The repository has moved: {Remote} is now {place}. Set its new URL with git remote set-url.";
        }
    }
}
