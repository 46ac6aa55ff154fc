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
    /// <see cref="ControlVerb.Input"/>: the line.</summary>
    public JsonElement? Data { get; init; }
}

/// <summary>What can be asked of a supervisor.</summary>
public enum ControlVerb
{
    /// <summary>Answers that it lives.</summary>
    Ping,

    /// <summary>Begins the stop plan; a second one, or one with force, skips to the kill.</summary>
    Cancel,

    /// <summary>Writes an event of the host's into the journal.</summary>
    Note,

    /// <summary>Writes a line to the agent's standard input: a user message or a control request.</summary>
    Input,
}

/// <summary>The answer to a <see cref="ControlRequest"/>.</summary>
/// <param name="Ok">Whether it was done.</param>
/// <param name="Error">Why not.</param>
public sealed record ControlReply(bool Ok, string? Error = null);
