using System.Globalization;
using System.Text.Json;
using Berth.Engine.Claude;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Claude;

public sealed class ClaudeEvidenceTests
{
    // The words that the evidence looks for, so that random events come near to real ones.
    private static readonly string[] Words =
    [
        "type", "subtype", "system", "init", "assistant", "user", "result", "rate_limit_event", "rate_limit_info",
        "message", "content", "id", "model", "usage", "tool_use", "tool_use_id", "is_error", "permission_denials",
        "permission_denied", "tool_name", "tool_input", "input", "name", "model_usage_since_last_result",
        "inputTokens", "costUSD", "num_turns", "session_id", "mcp_servers", "status", "api_retry", "error_status",
        "resetsAt", "rejected", "errors", "success", "terminal_reason", "api_error_status", "input_tokens",
        "session_writes_lost", "model_fallback", "compact_boundary", "parent_tool_use_id", "claude_code_version",
        "permissionMode",
    ];

    private static readonly string[] Leaves =
    [
        "null", "true", "false", "0", "-1", "1e400", "1.5", "9223372036854775807", "99999999999999999999999", "-1e-7",
        "\"\"", "\"x\"", "\"\\ud800\"", "\"\\udc00\\ud800x\"", "\"\\ud83d\\ude00\"", "[]", "{}",
        "\"<tool_use_error>Error: No such tool available: \"",
    ];

    [Fact]
    public void No_event_whatever_it_holds_throws()
    {
        var events = Object(depth: 3).ArrayOf(5).ToArbitrary();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(events, all =>
        {
            var evidence = new ClaudeEvidence();
            foreach (var e in all)
            {
                using var document = JsonDocument.Parse(e);
                evidence.Add(document.RootElement);
            }

            var verdict = ClaudeVerdict.Judge(evidence, Exits.With(code: 0));
            return verdict.Tokens.Input >= 0 && verdict.CostUsd >= 0 && verdict.Turns >= 0;
        }));
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("\"a\"")]
    [InlineData("null")]
    [InlineData("""{"\ud800":1,"type":"result"}""")]
    public void Events_that_are_no_events_are_passed_over(string json)
    {
        var evidence = new ClaudeEvidence();
        evidence.Add(JsonDocument.Parse(json).RootElement);
        evidence.Add(default);

        Assert.False(evidence.Initialized);
    }

    [Fact]
    public void Half_a_surrogate_pair_becomes_a_replacement_character()
    {
        var element = JsonDocument.Parse("""{"a":"x\ud800y\\ud800\ud83d\ude00\udc00 \n\"\ud800"}""").RootElement;

        Assert.Equal("x\ufffdy\\ud800\U0001F600\ufffd \n\"\ufffd", element.Text("a"));
    }

    [Fact]
    public void A_denial_is_counted_once_and_keeps_what_was_called()
    {
        var evidence = new ClaudeEvidence();
        Add(evidence, """
            {"type":"assistant","message":{"id":"a","model":"m","content":[
              {"type":"tool_use","id":"t1","name":"Bash","input":{"command":"rm"}},
              {"type":"tool_use","id":"t2","name":"Write","input":{"file_path":"x"}}]}}
            """);
        Add(evidence, """{"type":"system","subtype":"permission_denied","tool_name":"Bash","tool_use_id":"t1"}""");
        Add(evidence, """
            {"type":"user","message":{"content":[
              {"type":"tool_result","tool_use_id":"t1","is_error":true,"content":"Permission has been denied"},
              {"type":"tool_result","tool_use_id":"t2","is_error":true,
               "content":"<tool_use_error>Error: No such tool available: Write. Write is disabled.</tool_use_error>"}]}}
            """);
        Add(evidence, """
            {"type":"result","permission_denials":[
              {"tool_name":"Bash","tool_use_id":"t1","tool_input":{"command":"rm"}}]}
            """);

        Assert.Equal(["Bash", "Write"], evidence.Denials.Select(denial => denial.Tool), StringComparer.Ordinal);
        Assert.Equal("rm", evidence.Denials.First().Input!.Value.Text("command"));
        Assert.Equal("x", evidence.Denials.Last().Input!.Value.Text("file_path"));
    }

    [Fact]
    public void Usage_after_the_last_result_is_taken_from_the_messages_each_once()
    {
        var evidence = new ClaudeEvidence();
        Add(evidence, """
            {"type":"result","model_usage_since_last_result":{
              "m":{"inputTokens":10,"outputTokens":5,"cacheReadInputTokens":2,"cacheCreationInputTokens":1,
                   "costUSD":0.5},
              "n":{"inputTokens":1,"costUSD":0.25}}}
            """);
        const string Message =
            """{"type":"assistant","message":{"id":"a","model":"m","usage":{"input_tokens":100,"output_tokens":1}}}""";
        Add(evidence, Message);
        Add(evidence, Message);

        Assert.Equal(new TokenCounts(11, 5, 2, 1), evidence.ResultTokens);
        Assert.Equal(new TokenCounts(100, 1, 0, 0), evidence.LaterTokens);
        Assert.Equal((0.75m, 1), (evidence.CostUsd, evidence.Turns));
    }

    [Fact]
    public void Memory_is_bounded_whatever_comes()
    {
        var evidence = new ClaudeEvidence();
        for (var i = 0; i < 3000; i++)
        {
            var id = i.ToString(CultureInfo.InvariantCulture);
            Add(evidence, """{"type":"system","subtype":"permission_denied","tool_name":"T","tool_use_id":"ID"}"""
                .Replace("ID", id, StringComparison.Ordinal));
            Add(evidence, """{"type":"system","subtype":"model_fallback","original_model":"ID"}"""
                .Replace("ID", id, StringComparison.Ordinal));
            evidence.AddStderr(new string('x', 1000));
        }

        evidence.AddStderr(new string('y', 100_000));

        Assert.Equal((1000, 50), (evidence.Denials.Count, evidence.Warnings.Count));
        Assert.InRange(evidence.Stderr.Length, 16_000, 17_000);
    }

    [Fact]
    public void The_failures_that_were_tried_again_are_remembered()
    {
        var evidence = new ClaudeEvidence();
        Add(evidence, """{"type":"system","subtype":"api_retry","error_status":529,"error":"overloaded"}""");
        Assert.Equal((529, "overloaded"), (evidence.RetriedStatus, evidence.RetriedError));
        Add(evidence, """{"type":"system","subtype":"api_retry","error_status":null,"error":"unknown"}""");
        Assert.Equal((null, "unknown"), (evidence.RetriedStatus, evidence.RetriedError));
    }

    private static void Add(ClaudeEvidence evidence, string json) => evidence.Add(JsonDocument.Parse(json).RootElement);

    private static Gen<string> Object(int depth) =>
        from length in Gen.Choose(0, 12)
        from members in Member(depth).ArrayOf(length)
        select $"{{{string.Join(',', members)}}}";

    private static Gen<string> Member(int depth) =>
        from name in Gen.Elements(Words)
        from value in Value(depth)
        select $"\"{name}\":{value}";

    private static Gen<string> Value(int depth)
    {
        var leaf = Gen.Elements(Leaves);
        var word = Gen.Elements(Words).Select(text => $"\"{text}\"");
        if (depth == 0)
        {
            return Gen.OneOf(leaf, word);
        }

        var array = from length in Gen.Choose(0, 3)
                    from items in Value(depth - 1).ArrayOf(length)
                    select $"[{string.Join(',', items)}]";
        return Gen.OneOf(leaf, word, word, Object(depth - 1), array);
    }
}
