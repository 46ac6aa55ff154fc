using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>A tool call that waits for somebody's decision.</summary>
/// <param name="Call">Its number within the run, from 1: what <c>berth approve</c> takes.</param>
/// <param name="Tool">The tool.</param>
/// <param name="ToolUseId">The model's id of the call.</param>
/// <param name="Input">What it is called with; null where that is longer than
/// <see cref="BerthEvents.LongestInput"/>.</param>
/// <param name="AskedAt">Since when it waits.</param>
/// <param name="Deadline">When it is denied.</param>
internal sealed record WaitingCall(
    int Call, string Tool, string? ToolUseId, JsonElement? Input, DateTimeOffset AskedAt, DateTimeOffset Deadline);

/// <summary>Those of a run, as far as its journal was read.</summary>
/// <param name="Calls">The calls, the oldest first.</param>
/// <param name="Seq">The number of the last entry that changed them; a host that reads the journal again passes over
/// all up to it.</param>
internal sealed record WaitingCalls(IReadOnlyList<WaitingCall> Calls, long Seq)
{
    /// <summary>None, and nothing read.</summary>
    public static WaitingCalls None { get; } = new([], 0);

    /// <summary>What an entry of the journal makes of them; null where it does not concern them.</summary>
    public static WaitingCalls? After(WaitingCalls before, JournalEntry entry)
    {
        if (entry.Seq <= before.Seq || !string.Equals(entry.Stream, JournalEntry.Berth, StringComparison.Ordinal))
        {
            return null;
        }

        var number = (int)entry.Data.Count("call");
        return entry.Data.Text("type") switch
        {
            BerthEvents.ApprovalRequested => new([.. before.Calls, Read(number, entry)], entry.Seq),
            BerthEvents.ApprovalDecided => new(
                [.. before.Calls.Where(waiting => waiting.Call != number)], entry.Seq),
            _ => null,
        };
    }

    private static WaitingCall Read(int number, JournalEntry entry) => new(
        number,
        entry.Data.Word("tool") ?? "?",
        entry.Data.Word("toolUseId"),
        entry.Data.Member("input").Apart(BerthEvents.LongestInput),
        entry.At,
        entry.Data.TryGetProperty("deadline", out var deadline) && deadline.TryGetDateTimeOffset(out var at)
            ? at
            : entry.At);
}
