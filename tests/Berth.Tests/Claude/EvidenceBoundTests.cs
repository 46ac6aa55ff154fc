using System.Globalization;
using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Claude;

/// <summary>
/// FAULTS F 59, the host's part of the inventory: what an agent can make it keep, and how much of that is kept.
/// </summary>
/// <remarks>
/// Each row floods one thing with far more than its bound. The other part, the supervisor's, is
/// <see cref="SupervisorBoundTests"/>; what the gateway holds is in the system tests of the gateway (bodies, calls in
/// flight, betas) and of the egress proxy (connections).
/// </remarks>
public sealed class EvidenceBoundTests : IDisposable
{
    private const long MostKept = 8L * 1024 * 1024;
    private const int Lines = 1500;
    private static readonly string Long = new('x', 40_000);

    private readonly TemporaryRun run = new();

    public static TheoryData<string, string> Flooded => new()
    {
        {
            "denials in results",
            """{"type":"result","permission_denials":[{"tool_name":"LONG","tool_use_id":"NLONG"}]}"""
        },
        {
            "inputs of denials", """
            {"type":"result","x":"LONG","permission_denials":[
             {"tool_name":"B","tool_use_id":"N","tool_input":{"a":1}}]}
            """
        },
        {
            "denials on the way",
            """{"type":"system","subtype":"permission_denied","tool_name":"NLONG","tool_use_id":"N"}"""
        },
        {
            "calls", """
            {"type":"assistant","x":"LONG","message":{"id":"N","model":"m","content":[
             {"type":"tool_use","id":"N","name":"LONG","input":{"a":1}}]}}
            """
        },
        {
            "message ids",
            """{"type":"assistant","message":{"id":"NLONG","model":"NLONG","content":[]},"error":"LONG"}"""
        },
        {
            "unknown tools", """
            {"type":"user","message":{"content":[{"tool_use_id":"N","is_error":true,
             "content":"<tool_use_error>Error: No such tool available: NLONG"}]}}
            """
        },
        {
            "MCP servers", """
            {"type":"system","subtype":"init","model":"NLONG","session_id":"NLONG","claude_code_version":"LONG",
             "permissionMode":"LONG","mcp_servers":[
             {"name":"NLONG","status":"LONG"},{"name":"NLONG","status":"pending"}]}
            """
        },
        { "other models", """{"type":"system","subtype":"model_fallback","from":"NLONG","to":"LONG"}""" },
        { "lost sessions", """{"type":"system","subtype":"session_writes_lost","error_code":"NLONG"}""" },
        { "repeated requests", """{"type":"system","subtype":"api_retry","error":"NLONG"}""" },
        {
            "usage by model", """
            {"type":"result","model_usage_since_last_result":{"NLONG":{"inputTokens":1}},"subtype":"NLONG",
             "stop_reason":"LONG","terminal_reason":"LONG","errors":["LONG","LONG"],"session_id":"NLONG"}
            """
        },
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => run.Dispose();

    [Theory]
    [MemberData(nameof(Flooded))]
    public void F59_What_lines_make_the_evidence_keep_is_bounded(string what, string line)
    {
        var evidence = new ClaudeEvidence();
        for (var number = 0; number < Lines; number++)
        {
            var text = line.Replace("LONG", Long, StringComparison.Ordinal)
                .Replace("\"N", $"\"{number}-", StringComparison.Ordinal);
            evidence.Add(JsonSerializer.Deserialize(text, ProtocolJson.Default.JsonElement));
        }

        Assert.InRange(evidence.Denials.Count, 0, 1000);
        Assert.InRange(evidence.Warnings.Count, 0, 100);
        var verdict = ClaudeVerdict.Judge(evidence, Exits.With(code: 0));
        var shown = JsonSerializer.Serialize(new
        {
            verdict.PermissionDenials, verdict.Warnings, verdict.Model, verdict.SessionId, verdict.CliVersion,
            verdict.Failure?.Message, evidence.RetriedError, evidence.ApiError, evidence.PermissionMode,
        });
        Assert.True(shown.Length < 1024 * 1024, $"{what}: {shown.Length} characters are shown.");
        AssertKept(evidence, what);
    }

    [Fact]
    public void F59_What_a_call_was_made_with_is_kept_apart_however_deep_it_is()
    {
        var deep = new string('[', 400) + new string(']', 400);
        var evidence = new ClaudeEvidence();
        evidence.Add(JsonElement.Parse(
            $$"""{"type":"result","permission_denials":[{"tool_name":"B","tool_use_id":"1","tool_input":{{deep}}}]}""",
            new JsonDocumentOptions { MaxDepth = JournalEntry.MaxDataDepth }));

        Assert.Equal(deep, Assert.Single(evidence.Denials).Input!.Value.GetRawText());
    }

    [Fact]
    public void F59_Of_standard_error_only_the_end_is_kept()
    {
        var evidence = new ClaudeEvidence();
        for (var number = 0; number < Lines / 10; number++)
        {
            evidence.AddStderr(Long);
        }

        Assert.Equal(16 * 1024, evidence.Stderr.Length);
        AssertKept(evidence, "standard error");
    }

    [Fact]
    public void F59_Calls_that_wait_keep_nothing_of_the_entries_that_they_came_in()
    {
        var calls = WaitingCalls.None;
        for (var number = 1; number <= 100; number++)
        {
            var data = JsonSerializer.Deserialize(
                $$"""
                {"type":"{{BerthEvents.ApprovalRequested}}","call":{{number}},"tool":"{{Long}}","toolUseId":"{{Long}}",
                 "input":{"a":"{{Long}}"},"more":"{{Long}}{{Long}}"}
                """,
                ProtocolJson.Default.JsonElement);
            calls = WaitingCalls.After(
                calls, new JournalEntry { Seq = number, At = default, Stream = JournalEntry.Berth, Data = data })!;
        }

        Assert.Equal(100, calls.Calls.Count);
        AssertKept(calls, "calls that wait");
    }

    [Fact]
    public async Task F59_A_line_is_put_together_up_to_the_bound_and_no_further()
    {
        const int Longest = 300_000;
        var parts = Enumerable.Range(1, 1000).Select(number => new JournalEntry
        {
            Seq = number, At = default, Stream = JournalEntry.Stdout, More = true,
            Data = JsonSerializer.SerializeToElement(Long, ProtocolJson.Default.String),
        }).Append(new JournalEntry
        {
            Seq = 1001, At = default, Stream = JournalEntry.Stdout,
            Data = JsonSerializer.SerializeToElement(string.Empty, ProtocolJson.Default.String),
        });
        var joined = new List<JournalEntry>();
        await foreach (var entry in JournalLineJoiner.JoinAsync(
            parts.ToAsyncEnumerable(), run.Directory, Longest, Cancel))
        {
            joined.Add(entry);
        }

        Assert.Equal(Longest, Assert.Single(joined).Data.GetString()!.Length);
    }

    private static void AssertKept(object holder, string what)
    {
        var kept = Retained.BytesOf(holder);
        Assert.True(kept < MostKept, string.Create(CultureInfo.InvariantCulture, $"{what}: {kept} bytes are kept."));
    }
}
