using System.Text.Json;
using Berth.Protocol;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

public sealed class NarratorTests
{
    private const string Out = JournalEntry.Stdout;
    private const string Ours = JournalEntry.Berth;

    private static readonly (double Seconds, string Stream, string Json)[] WholeRun =
    [
        (0, Ours, """
            {"type":"run_accepted","workflow":"fix","mode":"local","modeReason":"--mode","sandbox":"bubblewrap",
             "trust":"instructions"}
            """),
        (0, Ours, """{"type":"notice","message":"2 files have changes that are not committed."}"""),
        (0.01, Ours, """{"type":"phase","phase":"prepare"}"""),
        (0.05, Ours, """{"type":"phase","phase":"start"}"""),
        (0.2, Ours, """{"type":"phase","phase":"run"}"""),
        (0.6, Out, """
            {"type":"system","subtype":"init","cwd":"/workspace","model":"claude-opus-5-5",
             "claude_code_version":"2.1.330",
             "mcp_servers":[{"name":"good","status":"connected"},{"name":"bad","status":"failed"}]}
            """),
        (1, Out, """
            {"type":"assistant","message":{"id":"m1",
             "content":[{"type":"text","text":"I look first.\nThen I mend it."}],
             "usage":{"input_tokens":1000,"output_tokens":1}}}
            """),
        (1, Out, """
            {"type":"assistant","message":{"id":"m1","content":[{"type":"tool_use","id":"t1","name":"Read",
             "input":{"file_path":"/workspace/src/app.ts"}}],"usage":{"input_tokens":1000,"output_tokens":1}}}
            """),
        (1.2, Out, """
            {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"text"}]}}
            """),
        (2, Out, """
            {"type":"assistant","message":{"id":"m2","content":[{"type":"tool_use","id":"t2","name":"Bash",
             "input":{"command":"npm test\n&& echo ok","description":"d"}},
             {"type":"tool_use","id":"t3","name":"mcp__tracker__close","input":{"issue":"SHOP-1"}}]}}
            """),
        (3.5, Out, """
            {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","is_error":true,
             "content":[{"type":"text","text":"Exit code 1\nboom"}]}]}}
            """),
        (3.5, Out, """{"type":"system","subtype":"permission_denied","tool_use_id":"t3"}"""),
        (3.6, Out, """
            {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t3","is_error":true,
             "content":"no"}]}}
            """),
        (4, Out, """{"type":"result","subtype":"success","is_error":false,"total_cost_usd":0.024}"""),
        (4.1, Ours, """{"type":"agent_ended","exitCode":0}"""),
        (4.1, Ours, """{"type":"phase","phase":"deliver"}"""),
        (4.1, Ours, """{"type":"phase","phase":"deliver"}"""),
        (4.2, Ours, """{"type":"delivered","branch":"berth/fix/8n4c6b0a","commits":2}"""),
        (64.2, Ours, """{"type":"run_finished","state":"succeeded"}"""),
    ];

    [Fact]
    public void A_whole_run_is_told_in_plain_lines()
    {
        Assert.Equal(
            """
               0:00  workflow fix · mode local (--mode) · sandbox bubblewrap · trust instructions
               0:00  note: 2 files have changes that are not committed.
               0:00  prepare
               0:00  start · prepare took 40 ms
               0:00  run · start took 150 ms
               0:00  agent · claude-opus-5-5 · CLI 2.1.330
                     MCP server bad: failed
               0:01  I look first.
                     Then I mend it.
               0:01  ok      Read src/app.ts · 200 ms
               0:03  failed  Bash npm test && echo ok · Exit code 1 boom
               0:03  denied  mcp__tracker__close SHOP-1
               0:04  deliver · run took 3.9 s
               0:04  branch berth/fix/8n4c6b0a · 2 commits

            """,
            Tell(WholeRun));
    }

    [Fact]
    public void A_call_without_a_result_is_told_when_the_agent_has_ended()
    {
        var told = Tell(
            (1, Out, """
                {"type":"assistant","message":{"id":"m","content":[{"type":"tool_use","id":"t","name":"Bash",
                 "input":{"command":"sleep 9"}}]}}
                """),
            (2, Ours, """{"type":"stopping","stage":"term","cause":"cancelled"}"""),
            (3, Ours, """{"type":"agent_ended","signal":15}"""));

        Assert.Equal(
            """
               0:02  stopping: term, cancelled
               0:03  the agent was ended by signal 15
                     open    Bash sleep 9 · no result

            """,
            told);
    }

    [Theory]
    [InlineData("stdout", "{}")]
    [InlineData("stdout", "[1,2]")]
    [InlineData("stdout", """{"type":"stream_event","event":{}}""")]
    [InlineData("stdout", """{"type":"assistant"}""")]
    [InlineData("stdout", """{"type":"assistant","message":"text"}""")]
    [InlineData("stdout", """{"type":"assistant","message":{"content":[1,null,{"type":"text","text":5}]}}""")]
    [InlineData("stdout", """{"type":"assistant","message":{"content":[{"type":"tool_use"}]}}""")]
    [InlineData("stdout", """{"type":"user","message":{"content":"text"}}""")]
    [InlineData("stdout", """{"type":"result","errors":5,"modelUsage":[],"total_cost_usd":"much"}""")]
    [InlineData("stdout", """{"type":"system","subtype":5}""")]
    [InlineData("berth", """{"type":"something_new"}""")]
    [InlineData("berth", "5")]
    [InlineData("other", "{}")]
    [InlineData("stderr", "\"\"")]
    public void What_is_not_known_breaks_nothing(string stream, string json) => _ = Tell((0, stream, json));

    [Fact]
    public void Words_that_are_no_events_are_shown_with_their_stream() => Assert.Equal(
        """
           0:00  output  panic: oh no
           0:00  stderr  first
                 stderr  second

        """,
        Tell((0, Out, "\"panic: oh no\""), (0, JournalEntry.Stderr, "\"first\\nsecond\\n\"")));

    [Fact]
    public void A_line_in_parts_is_told_when_it_is_whole()
    {
        var narrator = new Narrator(TrialRun.Begin);
        var line = """{"type":"assistant","message":{"id":"m","content":[{"type":"text","text":"long"}]}}""";

        Assert.Empty(narrator.Tell(TrialRun.Entry(0, Out, JsonSerializer.Serialize(line[..30]), more: true)));
        Assert.Single(narrator.Tell(TrialRun.Entry(0, JournalEntry.Stderr, "\"between\"")));
        var told = Assert.Single(narrator.Tell(TrialRun.Entry(0, Out, JsonSerializer.Serialize(line[30..]))));

        Assert.EndsWith("long", told.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_that_goes_on_in_a_file_is_only_mentioned()
    {
        var told = Assert.Single(new Narrator(TrialRun.Begin).Tell(TrialRun.Entry(0, Out, "\"{\"", spill: "1.part")));

        Assert.Contains("too long to show", told.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_status_says_phase_turns_tokens_cost_and_the_open_call()
    {
        var narrator = new Narrator(TrialRun.Begin);
        foreach (var entry in (IEnumerable<JournalEntry>)
        [
            TrialRun.Entry(1, Ours, """{"type":"phase","phase":"run"}"""),
            TrialRun.Entry(2, Out, """
                {"type":"result","total_cost_usd":1.5,"modelUsage":{"m":{"inputTokens":12000,"outputTokens":400}}}
                """),
            TrialRun.Entry(2, Out, """
                {"type":"assistant","message":{"id":"m","usage":{"input_tokens":100},
                 "content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"make"}}]}}
                """),
        ])
        {
            _ = narrator.Tell(entry).ToList();
        }

        Assert.Equal(
            "1:01 · run 1:00 · 1 turn · 12.5k tokens · $1.50 · Bash make",
            narrator.Status(TrialRun.Begin.AddSeconds(61)));
    }

    [Fact]
    public void Open_calls_have_a_bound()
    {
        var narrator = new Narrator(TrialRun.Begin);
        for (var i = 0; i < 3000; i++)
        {
            _ = narrator.Tell(TrialRun.Entry(0, Out, $$$"""
                {"type":"assistant","message":{"content":[{"type":"tool_use","id":"t{{{i}}}","name":"Bash"}]}}
                """)).ToList();
        }

        Assert.InRange(narrator.Tally.OpenCalls.Count, 1, 1000);
    }

    [Fact]
    public void What_people_say_to_a_run_and_what_it_asks_them_is_told()
    {
        var told = Tell(
            (0, Ours, """{"type":"message_sent","id":"m","priority":"later","by":"ada","text":"first\nsecond"}"""),
            (1, Ours, """{"type":"turn_interrupted","by":null}"""),
            (2, Ours, """
                {"type":"approval_requested","call":2,"tool":"Bash","toolUseId":"t","deadline":"2026-11-28T12:10:00Z",
                 "input":{"command":"rm \u001b[2Jx"}}
                """),
            (3, Ours, """
                {"type":"approval_decided","call":2,"tool":"Bash","decision":"allow","cause":"person","by":"bob"}
                """),
            (4, Ours, """{"type":"approval_decided","call":3,"tool":"Bash","decision":"deny","cause":"timeout"}"""),
            (5, Ours, """{"type":"talk_ended"}"""));

        Assert.Contains("message by ada (later): first", told, StringComparison.Ordinal);
        Assert.Contains("call 2 waits until 12:10:00 UTC: Bash rm \\x1b[2Jx", told, StringComparison.Ordinal);
        Assert.Contains("call 2 allowed by bob", told, StringComparison.Ordinal);
        Assert.Contains("call 3 denied: nobody answered in time", told, StringComparison.Ordinal);
        Assert.Contains("interrupted", told, StringComparison.Ordinal);
        Assert.Contains("no message came", told, StringComparison.Ordinal);
    }

    private static string Tell(params (double Seconds, string Stream, string Json)[] entries)
    {
        using var writer = new StringWriter();
        var screen = new PlainScreen(writer);
        var narrator = new Narrator(TrialRun.Begin);
        foreach (var (seconds, stream, json) in entries)
        {
            foreach (var line in narrator.Tell(TrialRun.Entry(seconds, stream, json)))
            {
                screen.Write(line);
            }
        }

        return writer.ToString();
    }
}
