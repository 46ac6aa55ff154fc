namespace Berth.Engine.Workspaces;

/// <summary>How workspaces are made.</summary>
internal sealed record WorkspaceOptions
{
    /// <summary>The folder of the mirrors, an absolute path. Made (0700) when it is not there.</summary>
    public required string MirrorsFolder { get; init; }

    /// <summary>Whether runs share mirrors. False clones into each run's own directory. Default true.</summary>
    public bool UseMirror { get; init; } = true;

    /// <summary>How long to wait for another run that is writing the mirror, a first clone for example. Default 30
    /// minutes.</summary>
    public TimeSpan LockTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How long one transfer from a repository may take. Default 30 minutes.</summary>
    public TimeSpan TransferTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How long one push may take. Default 10 minutes.</summary>
    public TimeSpan PushTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long checking out a workspace, or reading the work of a run, may take. Default 10
    /// minutes.</summary>
    public TimeSpan WorkTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The largest bundle that is taken from a run, in bytes. Default 2 GiB.</summary>
    public long MaxBundleBytes { get; init; } = 2L * 1024 * 1024 * 1024;

    /// <summary>How many commits of a run are listed; the newest ones are. Default 1,000.</summary>
    public int MaxCommits { get; init; } = 1_000;

    /// <summary>How many changed files of a run are listed. Default 10,000.</summary>
    public int MaxFiles { get; init; } = 10_000;

    /// <summary>The largest diff that is given out, in bytes. Default 256 MiB.</summary>
    public long MaxDiffBytes { get; init; } = 256L * 1024 * 1024;
}
