using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>What can run Claude in one mode. Every call is keyed by the run id, and every call may be made
/// again.</summary>
/// <remarks>
/// An executor holds no state of its own: all of it is in the run directory and in the system, so a new object, in a
/// new process, goes on where an old one was killed. Expected failures are <see cref="FailureException"/>s with a
/// stable code.
/// </remarks>
internal interface IExecutor
{
    /// <summary>The mode's name: <c>local</c>, <c>docker</c>.</summary>
    string Mode { get; }

    /// <summary>Says whether it can work here, what it can do, and what to type where it cannot. Never throws for
    /// what is missing.</summary>
    /// <param name="policy">What is asked for: the isolation, the image, the limits.</param>
    /// <param name="claudeBinary">The CLI as a host path, or null where none was found.</param>
    /// <param name="cancellation">Ends the probe.</param>
    Task<ExecutorProbe> ProbeAsync(ExecutionPolicy policy, string? claudeBinary, CancellationToken cancellation);

    /// <summary>The paths as the agent will see them; what goes into its command line and its environment.</summary>
    ExecutionLayout LayOut(string runId, ExecutionPolicy policy, string claudeBinary);

    /// <summary>Starts the execution and returns as soon as it can be found again. A live or an ended one is
    /// returned, never started twice.</summary>
    /// <param name="spec">What to execute.</param>
    /// <param name="cancellation">Gives up, until something was started.</param>
    /// <exception cref="FailureException">It could not be started; nothing of it runs.</exception>
    Task<ExecutionHandle> ExecuteClaudeTaskAsync(ExecutionSpec spec, CancellationToken cancellation);

    /// <summary>Reads what the run said.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="after">The number of the last entry already seen; 0 for all.</param>
    /// <param name="follow">Whether to wait for more until the execution has ended.</param>
    /// <param name="cancellation">Ends the reading.</param>
    IAsyncEnumerable<JournalEntry> GetExecutionLogsAsync(
        string runId, long after, bool follow, CancellationToken cancellation);

    /// <summary>Begins the stop plan; a second call, or force, skips to the kill. May be called at any time.</summary>
    /// <returns>True when a live execution took the request; false where there is none to stop.</returns>
    Task<bool> CancelExecutionAsync(string runId, bool force, CancellationToken cancellation);

    /// <summary>Sends a request to the supervisor of a live execution.</summary>
    /// <exception cref="FailureException">It is not running, does not answer, or refused.</exception>
    Task SendAsync(string runId, ControlRequest request, CancellationToken cancellation);

    /// <summary>Finds out what became of an execution. What a dead supervisor left behind is killed first.</summary>
    Task<RecoveredExecution> RecoverAsync(string runId, CancellationToken cancellation);

    /// <summary>Removes what the execution still has: processes, cgroups, sockets and folders. The journal and the
    /// records stay.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="keepWorkspace">Whether the workspace stays too.</param>
    /// <param name="deadline">The clean-up's own deadline; never the token of the run.</param>
    /// <returns>What could not be removed; empty when nothing is left.</returns>
    Task<IReadOnlyList<string>> CleanUpAsync(string runId, bool keepWorkspace, CancellationToken deadline);

    /// <summary>Everything of ours that is still there, for the sweeper.</summary>
    Task<IReadOnlyList<OwnedExecution>> ListOwnedAsync(CancellationToken cancellation);
}

/// <summary>Where an execution stands.</summary>
internal enum ExecutionState
{
    /// <summary>Nothing was ever started.</summary>
    NeverStarted,

    /// <summary>The supervisor is alive.</summary>
    Running,

    /// <summary>It ended and left its record.</summary>
    Exited,

    /// <summary>The supervisor died without a record; what it had started is dead too.</summary>
    Gone,
}

/// <summary>What became of an execution.</summary>
/// <param name="State">Where it stands.</param>
/// <param name="Handle">How to find it; null when it was never started.</param>
/// <param name="Exit">How it ended, for <see cref="ExecutionState.Exited"/>.</param>
internal sealed record RecoveredExecution(ExecutionState State, ExecutionHandle? Handle = null, ExitRecord? Exit = null)
{
    /// <summary>For <see cref="ExecutionState.Gone"/>: what happened, the supervisor's last words quoted.</summary>
    public Failure? Failure { get; init; }

    /// <summary>For <see cref="ExecutionState.Gone"/>: whether the machine was restarted since.</summary>
    public bool Rebooted { get; init; }

    /// <summary>For <see cref="ExecutionState.Gone"/>: how many processes it had left behind, now killed.</summary>
    public int LeftoversKilled { get; init; }

    /// <summary>What would not die.</summary>
    public IReadOnlyList<string> Leaked { get; init; } = [];
}

/// <summary>Something of ours that is still there.</summary>
/// <param name="RunId">The run it belongs to.</param>
/// <param name="State">Where its execution stands.</param>
/// <param name="Residue">What of it is still there: folders, sockets, cgroups, processes.</param>
internal sealed record OwnedExecution(string RunId, ExecutionState State, IReadOnlyList<string> Residue);
