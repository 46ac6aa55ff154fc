using Berth.Protocol.Posix;

namespace Berth.Protocol;

/// <summary>What a supervisor is to do: <c>spec.json</c>. Immutable and free of secrets.</summary>
/// <remarks>
/// Every property is written: a source-generated reader gives a missing one no default of the record's, but nothing.
/// </remarks>
public sealed record SupervisorSpec
{
    /// <summary>The version of this format. A supervisor refuses one that it does not know.</summary>
    public const int CurrentVersion = 2;

    /// <summary>The version of this file.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The run's id.</summary>
    public required string RunId { get; init; }

    /// <summary>What the first event says of the run: mode, modeReason, sandbox, trust, workflow and the
    /// like.</summary>
    public IReadOnlyDictionary<string, string> Facts { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The user that the agent and capture run as; null for the supervisor's own. Set in containers, where
    /// the supervisor is another user, so that the agent has no hold on it.</summary>
    public ChildUser? User { get; init; }

    /// <summary>The agent: the Claude Code CLI.</summary>
    public required AgentStep Agent { get; init; }

    /// <summary>How its changes are captured afterwards, whatever happened; null to capture nothing.</summary>
    public CaptureStep? Capture { get; init; }

    /// <summary>Where the agent finds the egress proxy; null where it has none.</summary>
    public ProxyStep? Proxy { get; init; }

    /// <summary>The bounds of the run.</summary>
    public ExecutionLimits Limits { get; init; } = new();

    /// <summary>How the run is stopped.</summary>
    public StopPlan Stop { get; init; } = new();
}

/// <summary>How a program is started: argument arrays only.</summary>
public sealed record AgentStep
{
    /// <summary>The whole command, the sandbox's own words first. The first is an absolute path.</summary>
    public required IReadOnlyList<string> Argv { get; init; }

    /// <summary>How many processes stand between the started one and the agent: 0 without a sandbox, 2 with
    /// bubblewrap.</summary>
    public int Wrappers { get; init; }

    /// <summary>The whole environment, less the secrets of <see cref="RunSecrets.Environment"/>, which are added to
    /// it.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The working directory of the started process, or null for the supervisor's own.</summary>
    public string? WorkingDirectory { get; init; }
}

/// <summary>Turns what the agent left in the workspace into commits and a bundle, inside the sandbox, after the
/// agent's end.</summary>
public sealed record CaptureStep
{
    /// <summary>What stands before each <c>git</c> command: the sandbox's words; empty without a sandbox.</summary>
    public required IReadOnlyList<string> Prefix { get; init; }

    /// <summary>How many processes stand between the started one and git; see
    /// <see cref="AgentStep.Wrappers"/>.</summary>
    public int Wrappers { get; init; }

    /// <summary>The whole environment of each git command.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The folder that is git's root; null for the supervisor's. Set where an image has no git, and the
    /// machine's own is mounted with its libraries.</summary>
    public string? Root { get; init; }

    /// <summary>The git program as an absolute path inside the sandbox.</summary>
    public required string Git { get; init; }

    /// <summary>The workspace as git sees it, inside the sandbox.</summary>
    public required string Workspace { get; init; }

    /// <summary>The bundle to write, as git sees it; <see cref="RunDirectory.BundleFile"/> on the host.</summary>
    public required string Bundle { get; init; }

    /// <summary>The commit the run started from, or null for a repository that had none.</summary>
    public string? BaseCommit { get; init; }

    /// <summary>The message of the commit that takes what the agent left uncommitted, trailer included.</summary>
    public required string Message { get; init; }

    /// <summary>The name of its author and committer.</summary>
    public required string AuthorName { get; init; }

    /// <summary>The mail address of its author and committer.</summary>
    public required string AuthorEmail { get; init; }

    /// <summary>The bound on all of it. Default 5 minutes.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromMinutes(5);
}

/// <summary>A loopback port of the agent's network that leads to the run's egress proxy.</summary>
/// <param name="Port">The port.</param>
/// <param name="IsHandedOver">Whether the agent's network is another one than the supervisor's: then what is started
/// listens there, hands the listener over by <see cref="RunDirectory.HandoverSocketName"/>, and becomes the
/// agent.</param>
public sealed record ProxyStep(int Port, bool IsHandedOver);

/// <summary>The bounds of one execution.</summary>
public sealed record ExecutionLimits
{
    /// <summary>How long the agent may run, by a monotonic clock. Default 2 hours.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(2);

    /// <summary>After how long without output the run is reported as idle. Default 10 minutes.</summary>
    public TimeSpan IdleReport { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>After how long without output it is stopped; null, the default, for never.</summary>
    public TimeSpan? IdleStop { get; init; }

    /// <summary>How long the agent may go on in silence after its result event. Default 30 seconds.</summary>
    public TimeSpan ResultGrace { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a run whose turn was interrupted waits for another message. Default 10 minutes.</summary>
    public TimeSpan InterruptHold { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a tool call waits for a decision, until it is denied; null, the default, where the agent
    /// asks for none.</summary>
    public TimeSpan? ApprovalTimeout { get; init; }

    /// <summary>How long pipes are still read after the agent's end, for grandchildren may hold them. Default 2
    /// seconds.</summary>
    public TimeSpan DrainGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>A longer line is recorded in parts of this size. Default 1 MiB.</summary>
    public int LineBytes { get; init; } = 1024 * 1024;

    /// <summary>What a line has beyond this goes to a file of its own. Default 16 MiB.</summary>
    public int SpillBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>Past this the journal takes nothing but the result event; the output is still read. Default 256
    /// MiB.</summary>
    public long JournalBytes { get; init; } = 256L * 1024 * 1024;

    /// <summary>With less room on the disk of the run directory the run is stopped, in bytes; null, the default, for
    /// never.</summary>
    public long? DiskMin { get; init; }

    /// <summary>How much the workspace, HOME and artifacts folder may hold together, in bytes; null, the default, for
    /// no bound.</summary>
    public long? DiskBytes { get; init; }

    /// <summary>Cgroup folders, made by the executor, that the agent's processes are put into. Default none.</summary>
    public IReadOnlyList<string> Cgroups { get; init; } = [];

    /// <summary>Cgroup folders that everything is in already, and whose counters are only read: a container's own.
    /// Default none. One that is not there is passed over.</summary>
    public IReadOnlyList<string> CountedCgroups { get; init; } = [];
}

/// <summary>How a run is stopped: each stage has its time, and the next begins when the agent has not ended by
/// then.</summary>
public sealed record StopPlan
{
    /// <summary>After the interrupt request and the end of its input. Default 5 s.</summary>
    public TimeSpan InterruptGrace { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>After SIGTERM to the agent. Default 10 s.</summary>
    public TimeSpan TermGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After SIGTERM to every process of the run. Default 3 s.</summary>
    public TimeSpan TermAllGrace { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>After SIGKILL to all, until what is left is listed as leaked. Default 5 s.</summary>
    public TimeSpan KillGrace { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>What must not be in any other file: <c>secrets.json</c>, read once and unlinked.</summary>
public sealed record RunSecrets
{
    /// <summary>Variables added to the agent's environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Values to redact in the journal. Shorter than six characters are ignored: they would blot out
    /// ordinary text.</summary>
    public IReadOnlyList<string> Redact { get; init; } = [];
}
