using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>What is known of a repository before anything is made.</summary>
internal sealed record RepositoryFacts
{
    /// <summary>The commit that the run would start from; null for an empty repository, and for a URL, which is not
    /// asked yet.</summary>
    public string? BaseCommit { get; init; }

    /// <summary>What the user's repository has checked out: a branch, or null when detached, bare or a URL.</summary>
    public string? CurrentBranch { get; init; }

    /// <summary>How many files of the user's repository have changes that are not committed, and so are no part of the
    /// run.</summary>
    public int UncommittedFiles { get; init; }

    /// <summary>What the user should be told: uncommitted changes, a shallow clone. Sentences.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The notes on a repository of this machine.</summary>
    internal static IReadOnlyList<string> NotesOf(RepositorySource source, int dirty) =>
    [
        .. dirty == 0 ? Array.Empty<string>()
            : [$"{source.Location} has {dirty} uncommitted change(s), which are not part of the run."],
        .. Mirror.IsShallow(source)
            ? [$"{source.Location} is a shallow clone: the run sees only the history that it has."]
            : Array.Empty<string>(),
    ];
}

/// <summary>A workspace to be made.</summary>
internal sealed record WorkspaceRequest
{
    /// <summary>The run's id.</summary>
    public required string RunId { get; init; }

    /// <summary>The repository.</summary>
    public required RepositorySource Source { get; init; }

    /// <summary>A branch, tag or commit to start from; null for HEAD of a path and the default branch of a
    /// URL.</summary>
    public string? Ref { get; init; }

    /// <summary>The branch that the work is to be on.</summary>
    public required string Branch { get; init; }

    /// <summary>The run's directory, which exists.</summary>
    public required RunDirectory RunDirectory { get; init; }

    /// <summary>The name for commits that the agent makes itself, written to the workspace's own configuration; null to
    /// set none.</summary>
    public string? AuthorName { get; init; }

    /// <summary>The mail address that goes with <see cref="AuthorName"/>.</summary>
    public string? AuthorEmail { get; init; }
}

/// <summary>One run's part in a repository: all that is needed to go on with it after a restart.</summary>
internal sealed record RunWorkspace
{
    /// <summary>The run's id.</summary>
    public required string RunId { get; init; }

    /// <summary>The repository.</summary>
    public required RepositorySource Source { get; init; }

    /// <summary>The branch that the work is on in the workspace, and that it is delivered as unless the name is
    /// taken.</summary>
    public required string Branch { get; init; }

    /// <summary>The run's directory.</summary>
    public required RunDirectory RunDirectory { get; init; }

    /// <summary>The commit that the run started from, or null for a repository that had none.</summary>
    public string? BaseCommit { get; init; }

    /// <summary>The bare repository that has the run's objects: a mirror, or a folder in the run's directory.</summary>
    public required string Mirror { get; init; }
}

/// <summary>A workspace that is ready for the agent.</summary>
internal sealed record PreparedWorkspace
{
    /// <summary>The run's part in the repository.</summary>
    public required RunWorkspace Run { get; init; }

    /// <summary>The workspace's path.</summary>
    public required string Path { get; init; }

    /// <summary>The commit that it starts from, or null for a repository that had none.</summary>
    public required string? BaseCommit { get; init; }

    /// <summary>The mirror's <c>objects</c> folder, which the workspace borrows from: mount it read-only at this very
    /// path.</summary>
    public required string MirrorObjects { get; init; }

    /// <summary>Folders below the top with instructions for Claude of their own, as paths below the top. A workspace
    /// of an older version has none.</summary>
    public IReadOnlyList<string> InstructionFolders
    {
        get;
        init => field = value ?? [];
    } = [];
}

/// <summary>What a run did to a repository.</summary>
internal sealed record CollectedWork
{
    /// <summary>The last commit.</summary>
    public required string HeadCommit { get; init; }

    /// <summary>The run's own commits, newest first, at most <see cref="WorkspaceOptions.MaxCommits"/>.</summary>
    public required IReadOnlyList<WorkCommit> Commits { get; init; }

    /// <summary>How many commits there are, the unlisted ones included.</summary>
    public required int CommitCount { get; init; }

    /// <summary>The files that differ between base and head, at most <see cref="WorkspaceOptions.MaxFiles"/>.</summary>
    public required IReadOnlyList<ChangedFile> FilesChanged { get; init; }

    /// <summary>How many files differ, the unlisted ones included.</summary>
    public required int FileCount { get; init; }
}

/// <summary>One commit.</summary>
/// <param name="Sha">Its id.</param>
/// <param name="Subject">The first line of its message.</param>
internal sealed record WorkCommit(string Sha, string Subject);

/// <summary>One file that differs.</summary>
/// <param name="Path">Its path in the repository; for a rename, the new one.</param>
/// <param name="Added">Lines added, or null for a binary file.</param>
/// <param name="Removed">Lines removed, or null for a binary file.</param>
/// <param name="Status"><c>added</c>, <c>modified</c>, <c>deleted</c>, <c>renamed</c>, <c>copied</c> or
/// <c>type_changed</c>.</param>
/// <param name="OldPath">The path before a rename or copy, else null.</param>
internal sealed record ChangedFile(string Path, int? Added, int? Removed, string Status, string? OldPath = null);

/// <summary>What came of writing a diff.</summary>
/// <param name="HasWork">Whether there is a diff: the run has commits, and they are known here.</param>
/// <param name="Truncated">Whether it was cut at <see cref="WorkspaceOptions.MaxDiffBytes"/>, or its reader went
/// away.</param>
internal sealed record DiffWritten(bool HasWork, bool Truncated);
