using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Runs;

/// <summary>Which tool calls wait, as a host reads it in the journal.</summary>
public sealed class WaitingCallsTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_call_waits_from_its_request_to_its_decision()
    {
        var asked = After(WaitingCalls.None, 3, Requested(1));
        var both = After(asked, 4, Requested(2));
        var one = After(both, 5, """{"type":"approval_decided","call":1,"decision":"deny"}""");

        Assert.Equal([1, 2], both.Calls.Select(call => call.Call));
        Assert.Equal([2], one.Calls.Select(call => call.Call));
        Assert.Equal("ls", one.Calls[0].Input!.Value.GetProperty("command").GetString());
        Assert.Equal((At, At.AddMinutes(10)), (one.Calls[0].AskedAt, one.Calls[0].Deadline));
    }

    [Fact]
    public void What_was_read_before_changes_nothing()
    {
        var asked = After(WaitingCalls.None, 3, Requested(1));

        Assert.Null(WaitingCalls.After(asked, Entry(3, Requested(1))));
        Assert.Null(WaitingCalls.After(asked, Entry(4, """{"type":"phase","phase":"run"}""")));
        Assert.Null(WaitingCalls.After(asked, Entry(4, Requested(2)) with { Stream = JournalEntry.Stdout }));
    }

    private static string Requested(int call) => JsonSerializer.Serialize(new
    {
        type = "approval_requested",
        call,
        tool = "Bash",
        toolUseId = "t",
        deadline = At.AddMinutes(10),
        input = new { command = "ls" },
    });

    private static WaitingCalls After(WaitingCalls before, long seq, string data) =>
        WaitingCalls.After(before, Entry(seq, data))!;

    private static JournalEntry Entry(long seq, string data) => new()
    {
        Seq = seq,
        At = At,
        Stream = JournalEntry.Berth,
        Data = JsonDocument.Parse(data).RootElement,
    };
}
