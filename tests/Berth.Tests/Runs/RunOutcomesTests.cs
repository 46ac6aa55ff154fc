using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunOutcomesTests
{
    private static readonly Failure Broken = new("something_broke", "It broke.", "Mend it.", Fault.Operator);

    [Fact]
    public void A_success_that_was_captured_is_a_success()
    {
        var outcome = RunOutcomes.Of(Ended(ExitCause.Exited, CaptureState.Bundled));

        Assert.Equal(RunState.Succeeded, outcome.State);
        Assert.Null(outcome.Error);
        Assert.Equal("Done.", outcome.Result);
    }

    [Fact]
    public void A_success_whose_work_could_not_be_captured_is_a_failure_that_says_so()
    {
        var outcome = RunOutcomes.Of(Ended(ExitCause.Exited, CaptureState.Failed, Broken));

        Assert.Equal(RunState.Failed, outcome.State);
        Assert.Equal(Broken, outcome.Error);
        Assert.Equal("Done.", outcome.Result);
    }

    [Fact]
    public void A_hard_stop_that_met_the_capture_is_a_cancel_and_no_failure()
    {
        var stopped = new Failure("capture_cancelled", "Stopped.", "Look there.", Fault.Nobody);
        var outcome = RunOutcomes.Of(Ended(ExitCause.Exited, CaptureState.Failed, stopped));

        Assert.Equal((RunState.Cancelled, stopped), (outcome.State, outcome.Error));
    }

    [Fact]
    public void What_capture_had_to_leave_is_a_warning()
    {
        var outcome = RunOutcomes.Of(Ended(ExitCause.Exited, CaptureState.Bundled, Broken));

        Assert.Equal(RunState.Succeeded, outcome.State);
        Assert.Contains(outcome.Warnings, warning => warning.Contains("It broke.", StringComparison.Ordinal));
    }

    [Fact]
    public void A_cancel_is_a_cancel_whatever_the_transcript_says()
    {
        var outcome = RunOutcomes.Of(Ended(ExitCause.Cancelled, CaptureState.Bundled));

        Assert.Equal(RunState.Cancelled, outcome.State);
        Assert.Equal("cancelled", outcome.Error!.Code);
    }

    [Fact]
    public void A_result_that_was_there_before_the_time_was_up_counts() =>
        Assert.Equal(RunState.Succeeded, RunOutcomes.Of(Ended(ExitCause.TimedOut, CaptureState.Bundled)).State);

    [Fact]
    public void A_run_without_a_result_when_the_time_is_up_has_timed_out()
    {
        var ended = Ended(ExitCause.TimedOut, CaptureState.Unchanged);
        var outcome = RunOutcomes.Of(ended with { Evidence = new ClaudeEvidence() });

        Assert.Equal(RunState.TimedOut, outcome.State);
        Assert.Equal("timed_out", outcome.Error!.Code);
    }

    [Theory]
    [InlineData(true, "machine_restarted")]
    [InlineData(false, "supervisor_died")]
    public void A_run_whose_supervisor_left_no_record_is_lost_with_the_reason(bool rebooted, string code)
    {
        var gone = new RecoveredExecution(ExecutionState.Gone) { Rebooted = rebooted };
        var outcome = RunOutcomes.Of(new Execution(Evidence(), gone));

        Assert.Equal(RunState.Lost, outcome.State);
        Assert.Equal(code, outcome.Error!.Code);
        Assert.Equal("Done.", outcome.Result);
        Assert.Equal(1, outcome.Turns);
    }

    [Fact]
    public void A_step_that_failed_afterwards_makes_a_failure_and_keeps_what_the_agent_said()
    {
        var outcome = RunOutcomes.Failed(Ended(ExitCause.Exited, CaptureState.Bundled), Broken);

        Assert.Equal(RunState.Failed, outcome.State);
        Assert.Equal(Broken, outcome.Error);
        Assert.Equal("Done.", outcome.Result);
        Assert.Equal(RunState.Failed, RunOutcomes.Failed(null, Broken).State);
    }

    [Fact]
    public void A_budget_that_the_gateway_kept_is_why_a_run_ended_and_takes_nothing_from_a_success()
    {
        var spent = new Failure("budget_reached", "The budget is spent.", "Give more.", Fault.Nobody);
        var refused = Ended(ExitCause.Exited, CaptureState.Bundled);
        refused.Evidence.Add(JsonDocument.Parse("""
            {"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","api_error_status":402,
             "result":"API Error: 402 The budget is spent."}
            """).RootElement);
        var stopped = RunOutcomes.Of(refused, spent);

        Assert.Equal((RunState.Failed, spent), (stopped.State, stopped.Error));
        Assert.Equal("model_billing", RunOutcomes.Of(refused).Error!.Code);
        Assert.Equal(spent, RunOutcomes.Failed(refused, Broken, spent).Error);
        Assert.Null(RunOutcomes.Of(Ended(ExitCause.Exited, CaptureState.Bundled), spent).Error);
        Assert.Equal("cancelled", RunOutcomes.Of(Ended(ExitCause.Cancelled, CaptureState.Bundled), spent).Error!.Code);
    }

    [Fact]
    public void A_defect_names_itself_and_where_to_look()
    {
        var failure = RunOutcomes.Defect(new InvalidOperationException("Oh."), "/runs/x/host.log");

        Assert.Equal(Fault.Berth, failure.Fault);
        Assert.Contains("/runs/x/host.log", failure.Hint, StringComparison.Ordinal);
    }

    private static Execution Ended(ExitCause cause, CaptureState capture, Failure? failure = null) => new(
        Evidence(),
        new RecoveredExecution(
            ExecutionState.Exited,
            Exit: new ExitRecord
            {
                RunId = "r",
                Cause = cause,
                ExitCode = 0,
                StartedAt = DateTimeOffset.UnixEpoch,
                EndedAt = DateTimeOffset.UnixEpoch,
                Capture = new CaptureRecord(capture, Failure: failure),
            }));

    private static ClaudeEvidence Evidence()
    {
        var evidence = new ClaudeEvidence();
        const string Init = """{"type":"system","subtype":"init","session_id":"s","model":"m","tools":[]}""";
        const string Answer = """{"type":"assistant","message":{"id":"a","model":"m","content":[]}}""";
        const string Result = """
            {"type":"result","subtype":"success","is_error":false,"result":"Done.","num_turns":1,"total_cost_usd":0.1}
            """;
        evidence.Add(JsonDocument.Parse(Init).RootElement);
        evidence.Add(JsonDocument.Parse(Answer).RootElement);
        evidence.Add(JsonDocument.Parse(Result).RootElement);
        return evidence;
    }
}
