using System.Text.Json;

namespace Berth.Protocol;

/// <summary>A request to a supervisor: one JSON line on <c>control.sock</c>, answered by one
/// <see cref="ControlReply"/> line.</summary>
public sealed record ControlRequest
{
    /// <summary>The longest request in bytes; a longer one is refused and the connection closed.</summary>
    public const int MaxBytes = 16 * 1024 * 1024;

    /// <summary>What to do.</summary>
    public required ControlVerb Verb { get; init; }

    /// <summary>For <see cref="ControlVerb.Cancel"/>: skip to the kill.</summary>
    public bool Force { get; init; }

    /// <summary>For <see cref="ControlVerb.Note"/>: the event to write, an object with a <c>type</c>. For
    /// <see cref="ControlVerb.Message"/>: the line for the agent, with its <c>uuid</c>.</summary>
    public JsonElement? Data { get; init; }

    /// <summary>For <see cref="ControlVerb.Decide"/>: what is decided.</summary>
    public ApprovalAnswer? Answer { get; init; }

    /// <summary>Who asks, for the transcript; null for the host itself.</summary>
    public string? By { get; init; }
}

/// <summary>What somebody decided on a tool call that waits.</summary>
/// <param name="Call">The number of the call within its run, from 1.</param>
/// <param name="IsAllowed">Whether the agent may make it.</param>
/// <param name="Reason">What a denied agent is told; null for a word of ours.</param>
public sealed record ApprovalAnswer(int Call, bool IsAllowed, string? Reason = null);

/// <summary>What can be asked of a supervisor.</summary>
public enum ControlVerb
{
    /// <summary>Answers that it lives.</summary>
    Ping,

    /// <summary>Begins the stop plan; a second one, or one with force, skips to the kill.</summary>
    Cancel,

    /// <summary>Writes an event of the host's into the journal.</summary>
    Note,

    /// <summary>Sends a user message to the agent, once however often it is asked.</summary>
    Message,

    /// <summary>Ends the agent's turn, and not the run: that waits for another message for a while.</summary>
    Interrupt,

    /// <summary>Decides on a tool call that waits.</summary>
    Decide,
}

/// <summary>The answer to a <see cref="ControlRequest"/>.</summary>
/// <param name="Ok">Whether it was done.</param>
/// <param name="Error">Why not.</param>
/// <param name="Code">Why not, for programs; null where asking again may help.</param>
public sealed record ControlReply(bool Ok, string? Error = null, string? Code = null);
