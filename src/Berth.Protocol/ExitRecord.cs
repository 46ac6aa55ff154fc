using Berth.Protocol.Posix;

namespace Berth.Protocol;

/// <summary>How an execution is found again: <c>handle.json</c>, written by the supervisor before it starts
/// anything.</summary>
/// <param name="RunId">The run's id.</param>
/// <param name="Supervisor">The supervisor's process, as the host sees it; in a container, the container's
/// init.</param>
/// <param name="StartedAt">When the supervisor started, UTC.</param>
/// <param name="ContainerId">The container, in Docker mode.</param>
public sealed record ExecutionHandle(string RunId, ProcessIdentity Supervisor, DateTimeOffset StartedAt,
    string? ContainerId = null);

/// <summary>Why the agent ended.</summary>
public enum ExitCause
{
    /// <summary>By itself.</summary>
    Exited,

    /// <summary>It could not be started.</summary>
    StartFailed,

    /// <summary>A cancel.</summary>
    Cancelled,

    /// <summary>The time limit.</summary>
    TimedOut,

    /// <summary>No output for too long, where the run was so configured.</summary>
    IdleStopped,

    /// <summary>It had given its result and went on in silence; the result counts.</summary>
    HungAfterResult,

    /// <summary>The supervisor was itself asked to stop (SIGTERM).</summary>
    SupervisorStopped,

    /// <summary>The disk had so little room left that runs are stopped.</summary>
    DiskFull,

    /// <summary>Its files held more than they may.</summary>
    DiskLimit,
}

/// <summary>How an execution ended: <c>exit.json</c>, written once, by rename.</summary>
public sealed record ExitRecord
{
    /// <summary>The run's id.</summary>
    public required string RunId { get; init; }

    /// <summary>Why it ended: the first cause wins.</summary>
    public required ExitCause Cause { get; init; }

    /// <summary>The agent's exit code, or null when a signal ended it or it never started.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The signal that ended it, or null. A wrapper's 128 + N for KILL, ABRT, SEGV, BUS, FPE, ILL and TRAP
    /// counts as that signal.</summary>
    public int? Signal { get; init; }

    /// <summary>Why it could not be started, with the path; or null.</summary>
    public Failure? StartFailure { get; init; }

    /// <summary>Whether a memory limit's counter rose while it ran.</summary>
    public bool OutOfMemory { get; init; }

    /// <summary>Whether a process limit's counter rose while it ran.</summary>
    public bool ProcessLimit { get; init; }

    /// <summary>When the supervisor started, UTC.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the agent was started, UTC, or null.</summary>
    public DateTimeOffset? AgentStartedAt { get; init; }

    /// <summary>How long the agent ran, by a monotonic clock, in milliseconds.</summary>
    public long AgentMs { get; init; }

    /// <summary>How long capture took, in milliseconds.</summary>
    public long CaptureMs { get; init; }

    /// <summary>When this was written, UTC.</summary>
    public required DateTimeOffset EndedAt { get; init; }

    /// <summary>What capture did, or null where none was asked for.</summary>
    public CaptureRecord? Capture { get; init; }

    /// <summary>Bytes the agent wrote to standard output and error.</summary>
    public long OutputBytes { get; init; }

    /// <summary>Bytes of it that the journal no longer took.</summary>
    public long DroppedBytes { get; init; }

    /// <summary>The number of the journal's last entry.</summary>
    public long LastSeq { get; init; }

    /// <summary>The journal's size in bytes.</summary>
    public long JournalBytes { get; init; }

    /// <summary>CRC-32 of the journal up to <see cref="JournalBytes"/>, as IEEE 802.3 has it.</summary>
    public uint JournalCrc { get; init; }

    /// <summary>How many processes outlived the agent and were killed.</summary>
    public int LeftoversKilled { get; init; }

    /// <summary>Processes that even SIGKILL did not end in time.</summary>
    public IReadOnlyList<ProcessIdentity> Leaked { get; init; } = [];

    /// <summary>The supervisor's own peak resident memory in bytes.</summary>
    public long SupervisorPeakBytes { get; init; }
}

/// <summary>What capture did. It ran among files that the agent wrote, so none of it is evidence; the host looks at
/// the bundle itself.</summary>
/// <param name="State">What it came to.</param>
/// <param name="Committed">Whether it had to commit what the agent left.</param>
/// <param name="Failure">Why it failed, or, where it did not, what it could not take (<c>capture_incomplete</c>: keep
/// the workspace); else null.</param>
public sealed record CaptureRecord(CaptureState State, bool Committed = false, Failure? Failure = null);

/// <summary>What capture can come to.</summary>
public enum CaptureState
{
    /// <summary>There are commits and a bundle.</summary>
    Bundled,

    /// <summary>The run changed nothing.</summary>
    Unchanged,

    /// <summary>Git failed, or the time limit passed. The workspace is kept.</summary>
    Failed,
}
