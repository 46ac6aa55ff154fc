using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>What can go wrong between us and a supervisor, in the same words in every mode.</summary>
internal static class SupervisorFailures
{
    /// <summary>It lives but does not answer.</summary>
    internal static FailureException NotAnswering(string runId, string which) => new(
        "supervisor_not_answering",
        $"The supervisor of run {runId} ({which}) lives but does not answer.",
        "Use `berth cancel --force`, which kills it and all that it has started.",
        Fault.Operator);

    /// <summary>There is none to ask.</summary>
    internal static FailureException NotRunning(string runId) => new(
        "execution_not_running", $"The execution of run {runId} is not running.",
        "It has ended, or has not begun.", Fault.Nobody);

    /// <summary>It would not.</summary>
    internal static FailureException Refused(string runId, ControlVerb verb, ControlReply reply) =>
        reply.Code is { } code
            ? new(code, $"The run {runId} takes this no more: {reply.Error}", HintOf(code, runId), Fault.User)
            : new("control_refused", $"The supervisor of run {runId} refused {verb}: {reply.Error}", "", Fault.Nobody);

    private static string HintOf(string code, string runId) => code switch
    {
        "run_ending" => $"When it has ended, berth run WORKFLOW MESSAGE --continue {runId} goes on with it.",
        "messages_too_many" => "Wait until the agent has read some, or continue the run in a new one.",
        _ => $"berth show {runId} lists the calls that wait.",
    };

    /// <summary>It was gone with the machine.</summary>
    internal static Failure Rebooted { get; } = new(
        "machine_restarted",
        "The machine was restarted while the run went on.",
        "Its workspace and its transcript up to then are kept; start it again if it is still wanted.",
        Fault.Nobody);

    /// <summary>It died.</summary>
    internal static Failure Died(RunDirectory run) => new(
        "supervisor_died",
        $"The supervisor of the run died without leaving a record. {ExecutionRecords.LastWords(run)}",
        "Its workspace and its transcript are kept. Was it killed by hand, or for want of memory (see `dmesg`)?",
        Fault.Operator);
}
