using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Protocol;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Claude;

/// <summary>What the CLI's words for an end are judged as, also those that it does not have yet.</summary>
public sealed class EndingTests
{
    private const string Init = """{"type":"system","subtype":"init","model":"m","session_id":"s"}""";
    private const string Answer = """{"type":"assistant","message":{"id":"a","model":"m","content":[]}}""";

    public static TheoryData<string, string> Reasons => Rows(EndingTable.TerminalReasons);

    public static TheoryData<string, string> Kinds => Rows(EndingTable.ErrorKinds);

    public static TheoryData<string, string> Startups => Rows(EndingTable.StartupReasons);

    public static TheoryData<string, string> Stops => Rows(EndingTable.StopReasons);

    [Theory]
    [MemberData(nameof(Reasons))]
    public void F80_Each_terminal_reason_has_its_code(string reason, string code) =>
        Assert.Equal(code, Code(Result("error_during_execution", isError: true, ("terminal_reason", reason))));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void F80_Each_kind_of_api_error_has_its_code_whatever_stands_beside_it(string kind, string code) =>
        Assert.Equal(code, Code(Result(
            "success", isError: true, ("terminal_reason", "api_error"), ("api_error", kind),
            ("result", "Connection dropped"))));

    [Theory]
    [MemberData(nameof(Startups))]
    public void F80_Each_refusal_to_start_has_its_code(string reason, string code) =>
        Assert.Equal(code, Code(Result("error_during_execution", isError: true, ("startup_failure_reason", reason))));

    [Theory]
    [MemberData(nameof(Stops))]
    public void F80_A_success_that_stopped_in_the_middle_is_none(string reason, string code) =>
        Assert.Equal(code, Code(Result(
            "success", isError: false, ("terminal_reason", "completed"), ("stop_reason", reason), ("result", "So"))));

    [Theory]
    [InlineData("success", "api_error", "A sentence that nobody knows.")]
    [InlineData("success", "brand_new_reason", "Something else")]
    [InlineData("error_brand_new", "completed", "")]
    [InlineData("error_during_execution", "brand_new_reason", "")]
    public void F80_What_is_not_known_is_told_as_that_and_never_as_the_network(
        string subtype, string reason, string said)
    {
        var failure = Judge(Init, Answer, Result(
            subtype, isError: true, ("terminal_reason", reason), ("result", said))).Failure!;

        Assert.Equal(("claude_end_unknown", Fault.Berth), (failure.Code, failure.Fault));
        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void F80_An_error_that_was_got_over_says_nothing_of_the_end()
    {
        const string Own = """{"type":"assistant","error":"overloaded","message":{"id":"e","model":"<synthetic>"}}""";
        var subagents = Own.Insert(1, "\"parent_tool_use_id\":\"t\",");
        var result = Result("success", isError: true, ("terminal_reason", "api_error"), ("result", "?"));

        Assert.Equal("model_overloaded", Code(Answer, Own, result));
        Assert.Equal("claude_end_unknown", Code(Own, Answer, result));
        Assert.Equal("claude_end_unknown", Code(Answer, subagents, result));
    }

    [Fact]
    public void F80_A_success_without_a_call_of_the_model_is_none()
    {
        var nothing = """{"type":"result","subtype":"success","is_error":false,"num_turns":0,"result":"$0.00"}""";
        Assert.Equal("model_not_called", Judge(Init, nothing).Failure?.Code);

        // A line too long to be read may have been the answer; what the result counts tells.
        var spilt = """
            {"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"x",
            "model_usage_since_last_result":{"m":{"outputTokens":5}}}
            """;
        Assert.True(Judge(Init, spilt).Succeeded);
    }

    [Fact]
    public void F85_A_run_that_never_had_an_answer_has_no_turns()
    {
        const string Synthetic =
            """{"type":"assistant","error":"unknown","message":{"id":"e","model":"<synthetic>","content":[]}}""";
        var verdict = Judge(Init, Synthetic, """
            {"type":"result","subtype":"success","is_error":true,"num_turns":2,"terminal_reason":"api_error"}
            """);

        Assert.Equal(0, verdict.Turns);
    }

    [Fact]
    public void F85_An_mcp_server_that_never_starts_is_warned_of_until_it_is_heard_of()
    {
        const string Pending = """
            {"type":"system","subtype":"init","mcp_servers":[{"name":"my.srv","status":"pending"}]}
            """;
        const string Call = """
            {"type":"assistant","message":{"id":"a","model":"m","content":[
            {"type":"tool_use","id":"t","name":"mcp__my_srv__x"}]}}
            """;
        const string Good = """{"type":"user","message":{"content":[{"tool_use_id":"t","type":"tool_result"}]}}""";
        const string Bad =
            """{"type":"user","message":{"content":[{"tool_use_id":"t","type":"tool_result","is_error":true}]}}""";
        var done = Result("success", isError: false, ("terminal_reason", "completed"), ("result", "Done."));

        Assert.Contains("my.srv", Assert.Single(Judge(Pending, Answer, done).Warnings), StringComparison.Ordinal);
        Assert.Single(Judge(Pending, Call, Bad, done).Warnings);
        Assert.Empty(Judge(Pending, Call, Good, done).Warnings);
        Assert.Empty(Judge(
            Pending, """{"type":"system","subtype":"init","mcp_servers":[{"name":"my.srv","status":"connected"}]}""",
            Answer, done).Warnings);
    }

    [Fact]
    public void F80_No_words_of_a_result_throw_and_none_but_a_whole_one_is_a_success()
    {
        var words = Gen.Elements<string>([
            "success", "error_max_turns", "completed", "api_error", "hook_stopped", "end_turn", "pause_turn",
            "max_tokens", "max_output_tokens", "connection_failed", "", "\ud800", "\u0000", "x", "Not logged in",
        ]);
        var results =
            from subtype in words
            from isError in Gen.Elements(true, false)
            from fields in words.ArrayOf(6)
            select (subtype, isError, fields);
        string[] names = ["terminal_reason", "stop_reason", "api_error", "api_error_type", "startup_failure_reason",
            "result"];
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(results.ToArbitrary(), it =>
        {
            var verdict = Judge(Init, Answer, Result(
                it.subtype, it.isError, [.. names.Zip(it.fields, (name, value) => (name, value))]));
            var isWhole = it is { subtype: "success", isError: false }
                && !(EndingTable.TerminalReasons.GetValueOrDefault(it.fields[0]) is not null)
                && EndingTable.StopReasons.GetValueOrDefault(it.fields[1]) is null;
            return verdict.Succeeded == isWhole && (verdict.Failure is null) == isWhole
                && verdict.Failure?.Code.Length is null or > 0;
        }));
    }

    private static TheoryData<string, string> Rows(IReadOnlyDictionary<string, ClaudeEnding?> table)
    {
        var data = new TheoryData<string, string>();
        foreach (var (word, ending) in table)
        {
            if (ending is not null)
            {
                data.Add(word, ending.Code);
            }
        }

        return data;
    }

    private static string? Code(params string[] events) => Judge([Init, .. events]).Failure?.Code;

    private static ClaudeVerdict Judge(params string[] events)
    {
        var evidence = new ClaudeEvidence();
        foreach (var line in events)
        {
            evidence.Add(JsonDocument.Parse(line).RootElement);
        }

        return ClaudeVerdict.Judge(evidence, Exits.With(code: 0));
    }

    private static string Result(string subtype, bool isError, params (string Name, string Value)[] fields)
    {
        var all = fields.Select(field => $",\"{field.Name}\":\"{JsonEncodedText.Encode(Clean(field.Value))}\"");
        return $"{{\"type\":\"result\",\"subtype\":\"{JsonEncodedText.Encode(Clean(subtype))}\",\"is_error\":"
            + $"{(isError ? "true" : "false")},\"num_turns\":1{string.Concat(all)}}}";
    }

    private static string Clean(string text) => text.Replace("\ud800", "?", StringComparison.Ordinal);
}
