using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>
/// Computes outcomes from evidence: the transcript, the exit record, what capture found. Never from an exit code alone.
/// </summary>
internal static class RunOutcomes
{
    // Said by the supervisor where somebody's hard stop met the capture.
    private const string CaptureCancelled = "capture_cancelled";

    /// <summary>The outcome of a run whose execution ended.</summary>
    /// <param name="execution">What came of it.</param>
    /// <param name="budget">What it means that the gateway stopped it, where a budget was spent.</param>
    public static RunOutcome Of(Execution execution, Failure? budget = null)
    {
        var found = execution.Recovered;
        if (found.Exit is not { } exit)
        {
            var lost = ClaudeVerdict.Unknown(execution.Evidence, Lost(found));
            return Of(lost, RunState.Lost, exit: null, lost.Failure);
        }

        var verdict = ClaudeVerdict.Judge(execution.Evidence, exit);
        var (state, error) = exit switch
        {
            { Cause: ExitCause.Cancelled } => (RunState.Cancelled, verdict.Failure ?? Cancelled),
            // A result that was there before the time was up still counts.
            { Cause: ExitCause.TimedOut } when !verdict.Succeeded => (RunState.TimedOut, verdict.Failure),
            _ when !verdict.Succeeded => (RunState.Failed, Stopped(verdict, budget) ?? verdict.Failure),
            { Capture: { State: CaptureState.Failed, Failure: { Code: CaptureCancelled } ended } } =>
                (RunState.Cancelled, ended),
            { Capture: { State: CaptureState.Failed, Failure: var failure } } => (RunState.Failed, failure),
            _ => (RunState.Succeeded, null),
        };
        var judged = Of(verdict, state, exit, error);
        var outcome = judged with { Warnings = [.. judged.Warnings, .. exit.Capture?.Remarks ?? []] };
        return exit.Capture?.Failure is { } incomplete && incomplete != error
            ? outcome with { Warnings = [.. outcome.Warnings, $"{incomplete.Message} {incomplete.Hint}"] }
            : outcome;
    }

    /// <summary>The outcome of a run that a step refused; what the agent had done and said still counts.</summary>
    public static RunOutcome Failed(Execution? execution, Failure failure, Failure? budget = null)
    {
        var outcome = execution is null ? new RunOutcome { State = RunState.Failed } : Of(execution, budget);
        var state = failure.Code is RunPush.CancelledCode ? RunState.Cancelled : RunState.Failed;
        return outcome with
        {
            State = outcome.State == RunState.Succeeded ? state : outcome.State,
            Error = outcome.Error ?? failure,
        };
    }

    /// <summary>A defect of ours, as an outcome.</summary>
    public static Failure Defect(Exception defect, string hostLog) => new(
        "internal_error",
        $"Berth itself failed: {defect.GetType().Name}: {defect.Message}",
        $"This is a defect; please report it with {hostLog}.",
        Fault.Berth);

    /// <summary>The outcome of a run that was cancelled before the agent was started.</summary>
    public static RunOutcome CancelledBeforeStart { get; } = new() { State = RunState.Cancelled, Error = Cancelled };

    // The CLI knows no more than that the model did not answer. What it says of its own limits is as true.
    private static Failure? Stopped(ClaudeVerdict verdict, Failure? budget) =>
        verdict.End is ClaudeEnd.ApiError or ClaudeEnd.GaveUp or ClaudeEnd.Refused or ClaudeEnd.Crashed ? budget : null;

    private static Failure Cancelled => new("cancelled", "The run was cancelled.", string.Empty, Fault.Nobody);

    private static Failure Lost(RecoveredExecution found) => found switch
    {
        { Rebooted: true } => new(
            "machine_restarted", "The machine was restarted while the run was going on.",
            "Run it again; its workspace is kept.", Fault.Nobody),
        { Failure: { } failure } => failure,
        _ =>
            new(
                "supervisor_died",
                "The supervisor of the run died.",
                "Run it again; its workspace is kept.",
                Fault.Operator),
    };

    private static RunOutcome Of(ClaudeVerdict verdict, RunState state, ExitRecord? exit, Failure? error) => new()
    {
        State = state,
        Error = error,
        Result = verdict.Result,
        ExitCode = exit?.ExitCode,
        Signal = exit?.Signal,
        Turns = verdict.Turns,
        CostUsd = verdict.CostUsd,
        Tokens = verdict.Tokens,
        PermissionDenials = verdict.PermissionDenials,
        Model = verdict.Model,
        CliVersion = verdict.CliVersion,
        Warnings = verdict.Warnings,
    };
}
