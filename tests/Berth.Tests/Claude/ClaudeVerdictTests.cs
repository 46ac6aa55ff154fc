using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class ClaudeVerdictTests
{
    private const string Init = """{"type":"system","subtype":"init","model":"m","session_id":"s"}""";
    private const string Answer = """{"type":"assistant","message":{"id":"a","model":"m","content":[]}}""";

    private const string Success =
        """{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","result":"fine"}""";

    private const string Failed = """
        {"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error","api_error_status":529}
        """;

    [Theory]
    [InlineData(0, null, "claude_no_result")]
    [InlineData(1, null, "claude_failed")]
    [InlineData(2, null, "claude_usage")]
    [InlineData(125, null, "sandbox_failed")]
    [InlineData(126, null, "claude_not_executable")]
    [InlineData(127, null, "claude_missing")]
    [InlineData(129, null, "claude_hung_up")]
    [InlineData(130, null, "claude_interrupted")]
    [InlineData(132, null, "claude_panicked")]
    [InlineData(137, null, "claude_killed")]
    [InlineData(143, null, "claude_terminated")]
    [InlineData(77, null, "claude_exited")]
    [InlineData(null, 4, "claude_panicked")]
    [InlineData(null, 9, "claude_killed")]
    [InlineData(null, 11, "claude_signalled")]
    [InlineData(null, 15, "claude_terminated")]
    [InlineData(null, 64, "claude_signalled")]
    [InlineData(null, null, "claude_exited")]
    public void Each_way_to_end_without_a_result_has_its_own_code(int? code, int? signal, string expected)
    {
        var verdict = ClaudeVerdict.Judge(Evidence(Init, Answer), Exits.With(code, signal));

        Assert.Equal((ClaudeEnd.Crashed, expected), (verdict.End, verdict.Failure!.Code));
        Assert.Contains("without a result", verdict.Failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(143, null)]
    [InlineData(null, 11)]
    public void A_successful_result_and_a_bad_end_are_no_success(int? code, int? signal)
    {
        var verdict = ClaudeVerdict.Judge(Evidence(Init, Answer, Success), Exits.With(code, signal));

        Assert.Equal(ClaudeEnd.Crashed, verdict.End);
        Assert.Contains("after a successful result", verdict.Failure!.Message, StringComparison.Ordinal);
        Assert.Equal("fine", verdict.Result);
    }

    [Fact]
    public void F50_A_call_without_a_decision_outranks_every_result_that_follows()
    {
        var verdict = ClaudeVerdict.Judge(
            Evidence(Init, Answer, Success), Exits.With(signal: 9, cause: ExitCause.ApprovalBypassed));

        Assert.False(verdict.Succeeded);
        Assert.Equal(("approval_bypassed", Fault.Agent), (verdict.Failure!.Code, verdict.Failure.Fault));
    }

    [Fact]
    public void An_error_that_calls_itself_success_is_an_error() =>
        Assert.Equal("model_overloaded", Code(Exits.With(code: 0), Init, Failed));

    [Fact]
    public void A_failed_result_says_more_than_exit_code_1_but_less_than_a_signal()
    {
        Assert.Equal("model_overloaded", Code(Exits.With(code: 1), Init, Failed));
        Assert.Equal("claude_killed", Code(Exits.With(signal: 9), Init, Failed));
    }

    [Fact]
    public void What_goes_on_after_a_result_takes_its_word_back()
    {
        Assert.Equal("claude_no_result", Code(Exits.With(code: 0), Init, Success, Init, Answer));
        Assert.Null(Code(Exits.With(code: 0), Init, Success, """{"type":"system","subtype":"session_writes_lost"}"""));
    }

    [Fact]
    public void A_hang_after_the_result_counts_as_what_the_result_says()
    {
        var hung = Exits.With(code: 143, cause: ExitCause.HungAfterResult);

        var verdict = ClaudeVerdict.Judge(Evidence(Init, Answer, Success), hung);

        Assert.True(verdict.Succeeded);
        Assert.Contains("had to be stopped", Assert.Single(verdict.Warnings), StringComparison.Ordinal);
        Assert.Equal("model_overloaded", Code(hung, Init, Failed));
    }

    [Theory]
    [InlineData(ExitCause.TimedOut, ClaudeEnd.TimedOut, "timed_out")]
    [InlineData(ExitCause.IdleStopped, ClaudeEnd.IdleStopped, "idle_stopped")]
    [InlineData(ExitCause.SupervisorStopped, ClaudeEnd.Stopped, "supervisor_stopped")]
    [InlineData(ExitCause.Cancelled, ClaudeEnd.Cancelled, "cancelled")]
    public void A_stop_of_ours_is_named_as_such(ExitCause cause, object end, string code)
    {
        var verdict = ClaudeVerdict.Judge(Evidence(Init, Answer), Exits.With(signal: 9, cause: cause));
        Assert.Equal(((ClaudeEnd)end, code), (verdict.End, verdict.Failure!.Code));

        // The work was whole when the stop came; only a cancel is somebody's will.
        var late = ClaudeVerdict.Judge(Evidence(Init, Answer, Success), Exits.With(signal: 9, cause: cause));
        Assert.Equal(cause != ExitCause.Cancelled, late.Succeeded);
    }

    [Fact]
    public void A_start_that_failed_keeps_the_supervisors_reason()
    {
        var reason = new Failure("wrong_machine", "It is for another machine.", "Install another.", Fault.Operator);
        var exit = Exits.With(cause: ExitCause.StartFailed);

        Assert.Equal(reason, ClaudeVerdict.Judge(new ClaudeEvidence(), exit with { StartFailure = reason }).Failure);
        Assert.Equal("claude_not_started", Code(exit));
    }

    [Fact]
    public void Limits_of_memory_and_processes_are_named_where_they_ended_the_run_and_mentioned_where_not()
    {
        var oom = Exits.With(signal: 9) with { OutOfMemory = true };
        var forks = Exits.With(code: 132) with { ProcessLimit = true };
        Assert.Equal(("out_of_memory", "process_limit"), (Code(oom, Init), Code(forks, Init)));

        var fine = Exits.With(code: 0) with { OutOfMemory = true, ProcessLimit = true };
        var verdict = ClaudeVerdict.Judge(Evidence(Init, Success), fine);
        Assert.True(verdict.Succeeded);
        Assert.Equal(2, verdict.Warnings.Count);
    }

    [Fact]
    public void Standard_error_is_quoted_and_tells_a_broken_sandbox()
    {
        var evidence = new ClaudeEvidence();
        evidence.AddStderr("bwrap: Creating new namespace failed: Operation not permitted");

        var verdict = ClaudeVerdict.Judge(evidence, Exits.With(code: 1));

        Assert.Equal(ClaudeEnd.NotStarted, verdict.End);
        Assert.Equal("sandbox_failed", verdict.Failure!.Code);
        Assert.Contains("Creating new namespace failed", verdict.Failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"terminal_reason":"prompt_too_long"}""", "prompt_too_long")]
    [InlineData("""{"terminal_reason":"image_error"}""", "media_rejected")]
    [InlineData("""{"subtype":"error_during_execution","terminal_reason":"model_error"}""", "claude_query_failed")]
    [InlineData("""{"subtype":"error_during_execution","terminal_reason":"hook_stopped"}""", "hook_stopped")]
    [InlineData("""{"subtype":"success","terminal_reason":"api_error","api_error_status":503}""", "model_server_error")]
    [InlineData("""{"subtype":"success","terminal_reason":"api_error","api_error_status":418}""", "model_failed")]
    [InlineData("""{"terminal_reason":"api_error","api_error_status":null}""", "claude_end_unknown")]
    [InlineData("""{"subtype":"error_during_execution"}""", "claude_failed")]
    [InlineData("{}", "claude_end_unknown")]
    public void Each_kind_of_failed_result_has_a_code(string result, string expected)
    {
        var merged = result.Insert(1, "\"type\":\"result\",\"is_error\":true" + (result.Length > 2 ? "," : ""));
        Assert.Equal(expected, Code(Exits.With(code: 1), Init, merged));
    }

    [Fact]
    public void A_success_for_an_unusual_reason_is_pointed_out()
    {
        var odd = Success.Replace("completed", "brand_new", StringComparison.Ordinal);

        var verdict = ClaudeVerdict.Judge(Evidence(Init, odd), Exits.With(code: 0));

        Assert.Contains("brand_new", Assert.Single(verdict.Warnings), StringComparison.Ordinal);
    }

    private static ClaudeEvidence Evidence(params string[] events)
    {
        var evidence = new ClaudeEvidence();
        foreach (var e in events)
        {
            evidence.Add(JsonDocument.Parse(e).RootElement);
        }

        return evidence;
    }

    private static string? Code(ExitRecord exit, params string[] events) =>
        ClaudeVerdict.Judge(Evidence(events), exit).Failure?.Code;
}
