using Berth.Engine.Network;
using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>What to execute: all that an executor needs to know of a run.</summary>
internal sealed record ExecutionSpec
{
    /// <summary>The run's id.</summary>
    public required string RunId { get; init; }

    /// <summary>What the first event says of the run: modeReason, workflow, trust and the like. The executor adds
    /// what it knows itself.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The agent's whole command; its paths are those of the <see cref="ExecutionLayout"/>.</summary>
    public required IReadOnlyList<string> Argv { get; init; }

    /// <summary>The agent's whole environment, without secrets.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>What the run may reach.</summary>
    public required ExecutionPolicy Policy { get; init; }

    /// <summary>The CLI as a host path.</summary>
    public required string ClaudeBinary { get; init; }

    /// <summary>The folder of the workspace that it begins in, below the workspace; empty for the workspace
    /// itself.</summary>
    public string Directory { get; init; } = string.Empty;

    /// <summary>How its changes are captured afterwards; null to capture nothing.</summary>
    public CapturePlan? Capture { get; init; }

    /// <summary>The bounds of the run. Its cgroups are the executor's to fill in.</summary>
    public ExecutionLimits Limits { get; init; } = new();

    /// <summary>How the run is stopped.</summary>
    public StopPlan Stop { get; init; } = new();
}

/// <summary>What a run may reach.</summary>
internal sealed record ExecutionPolicy
{
    /// <summary>The isolation.</summary>
    public required SandboxKind Sandbox { get; init; }

    /// <summary>The image of a run in a container; null for the executor's own.</summary>
    public string? Image { get; init; }

    /// <summary>Host folders or files that the agent may read beside the usual ones, the mirror's objects for
    /// example.</summary>
    public IReadOnlyList<HostMount> Mounts { get; init; } = [];

    /// <summary>Host folders that were asked for and permitted; the agent has them, and capture does not.</summary>
    public IReadOnlyList<HostMount> ExtraMounts { get; init; } = [];

    /// <summary>How much <c>/tmp</c> may hold, and <c>/dev/shm</c> beside it, in bytes, 16 MiB and above; it is the
    /// machine's memory. Default 4 GiB.</summary>
    public long TempBytes { get; init; } = DefaultTempBytes;

    /// <summary>What <c>/tmp</c> holds where nobody says: builds want room.</summary>
    public const long DefaultTempBytes = 4L * 1024 * 1024 * 1024;

    /// <summary>Whether other processes of the run must not get at the CLI's memory, because it makes calls that
    /// people decide on. Default false: it takes a copy of the CLI.</summary>
    public bool GuardsClaude { get; init; }

    /// <summary>What it may reach beyond the model. Default: nothing.</summary>
    public NetworkPolicy Network { get; init; } = NetworkPolicy.None;

    /// <summary>The most memory that all processes of the run may have together, in bytes, 64 MiB and above; null for
    /// no limit.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>The most processes and threads that the run may have at once, 16 and above; null for no
    /// limit.</summary>
    public int? Processes { get; init; }

    /// <summary>How many processors' time the run may use, 0.1 and above; null for no limit.</summary>
    public decimal? Cpus { get; init; }
}

/// <summary>The isolation of a run.</summary>
internal enum SandboxKind
{
    /// <summary>Own namespaces, a read-only system, a private HOME, no network.</summary>
    Bubblewrap,

    /// <summary>A bare process of the user's. Weak: it must be asked for by name.</summary>
    None,

    /// <summary>The container of Docker mode; no local run has it.</summary>
    Container,
}

/// <summary>A host path that the agent may read, and perhaps write.</summary>
/// <param name="Host">The path on the host. It must be there.</param>
/// <param name="Inside">The path inside the sandbox; the same as <paramref name="Host"/> in the sandbox <c>none</c>,
/// whatever is said here.</param>
/// <param name="IsWritable">Whether the agent may write there.</param>
internal sealed record HostMount(string Host, string Inside, bool IsWritable = false)
{
    /// <summary>As people read and write it.</summary>
    public override string ToString() => $"{Host}:{Inside}:{(IsWritable ? "rw" : "ro")}";
}

/// <summary>How the changes of a run are committed.</summary>
/// <param name="BaseCommit">The commit it started from, or null for a repository that had none.</param>
/// <param name="Message">The message for what the agent left uncommitted, trailer included.</param>
/// <param name="AuthorName">Author and committer.</param>
/// <param name="AuthorEmail">Their mail address.</param>
internal sealed record CapturePlan(string? BaseCommit, string Message, string AuthorName, string AuthorEmail)
{
    /// <summary>The folder of objects that the workspace borrows from, which is mounted under its own path; null for
    /// none.</summary>
    public string? BorrowedObjects { get; init; }

    /// <summary>The bound on all of it. Default 5 minutes.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>Paths as the agent sees them.</summary>
/// <param name="Claude">The CLI.</param>
/// <param name="Workspace">The repository, and the working directory.</param>
/// <param name="Home">HOME.</param>
/// <param name="Temp">TMPDIR.</param>
/// <param name="AgentFolder">What Berth gives the agent to read; <see cref="RunDirectory.AgentFolder"/> on the
/// host.</param>
/// <param name="GatewaySocket">The model gateway's socket.</param>
internal sealed record ExecutionLayout(
    string Claude, string Workspace, string Home, string Temp, string AgentFolder, string GatewaySocket)
{
    /// <summary>The agent's folder for what it makes beside the repository.</summary>
    public string Artifacts { get; init; } = InsidePaths.Artifacts;
}
