using System.Runtime.InteropServices;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Whether the conversation goes on after what the agent has just said.</summary>
internal enum TalkState
{
    /// <summary>A turn is under way.</summary>
    InTurn,

    /// <summary>A turn has ended, and the agent has a message that it must begin with by itself.</summary>
    MessageWaits,

    /// <summary>The turn was interrupted, and the next word is somebody else's.</summary>
    Held,

    /// <summary>All that was said to the agent is answered.</summary>
    Over,
}

/// <summary>Messages to an agent at work, and when its conversation is over.</summary>
/// <remarks>
/// The CLI folds a message into the running turn, or makes a turn of its own of it, and tells which by
/// <c>command_lifecycle</c> events with the message's <c>uuid</c>: <c>queued</c>, <c>started</c>, and
/// <c>completed</c>, which comes before the result of a turn that it was folded into and after that of its own. So a
/// result is the last one where no message is open; then the end of its input makes the CLI finish. Tried with version
/// 2.1.330. Members may be called from any thread.
/// </remarks>
internal sealed class AgentTalk(RunJournal journal)
{
    private const int MostOpen = 16;
    private const int MostRemembered = 1000;

    private readonly Lock gate = new();
    private readonly HashSet<string> open = new(StringComparer.Ordinal);
    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private AgentInput? input;
    private bool afterResult;
    private bool held;
    private int interrupts;

    /// <summary>Whether the next line has to be looked at.</summary>
    internal bool IsAfterResult
    {
        get
        {
            lock (gate)
            {
                return afterResult;
            }
        }
    }

    /// <summary>From here on there is an agent to talk to.</summary>
    internal void Begin(AgentInput agent)
    {
        lock (gate)
        {
            input = agent;
        }
    }

    /// <summary>Sends a message, once for each <c>uuid</c>.</summary>
    internal ControlReply Send(JsonElement? data, string? by)
    {
        if (data is not { ValueKind: JsonValueKind.Object } line
            || AgentLines.Text(line, "uuid") is not { Length: > 0 } id)
        {
            return new ControlReply(false, "A message is an object, one line of stream-json, with a uuid.");
        }

        lock (gate)
        {
            if (known.Contains(id))
            {
                return new ControlReply(true);
            }

            if (open.Count >= MostOpen || known.Count >= MostRemembered)
            {
                return new ControlReply(
                    false, $"{open.Count} messages wait, and {known.Count} were sent.", "messages_too_many");
            }

            if (Write([.. JsonMarshal.GetRawUtf8Value(line), (byte)'\n']) is { } refusal)
            {
                return refusal;
            }

            _ = open.Add(id);
            _ = known.Add(id);
            held = false;
            journal.Event(BerthEvents.MessageSent, data =>
            {
                data.WriteString("id"u8, id);
                data.WriteString("priority"u8, AgentLines.Text(line, "priority") ?? "next");
                data.WriteString("by"u8, by);
                if (line.TryGetProperty("message"u8, out var message))
                {
                    data.WriteString("text"u8, AgentLines.Text(message, "content"));
                }
            });
            return new ControlReply(true);
        }
    }

    /// <summary>Ends the turn under way.</summary>
    internal ControlReply Interrupt(string? by)
    {
        lock (gate)
        {
            if (!held && Write(AgentInterrupt.Line($"berth-{++interrupts}")) is { } refusal)
            {
                return refusal;
            }

            held = true;
            journal.Event(BerthEvents.TurnInterrupted, data => data.WriteString("by"u8, by));
            return new ControlReply(true);
        }
    }

    /// <summary>Takes what the agent has just said into account, and closes its input where that was the last
    /// word.</summary>
    /// <param name="isResult">Whether it was a result.</param>
    /// <param name="said">What it was, where it was looked at: always after a result, if it could be.</param>
    internal TalkState Hear(bool isResult, JsonElement? said)
    {
        lock (gate)
        {
            afterResult = isResult || (afterResult && said is { } word && !BeginsTurn(word));
            if (said is { } line && AgentLines.Text(line, "type") is "command_lifecycle"
                && AgentLines.Text(line, "command_uuid") is { } id)
            {
                Follow(id, AgentLines.Text(line, "state"));
            }

            return State();
        }
    }

    /// <summary>Nothing came that could go on with it: the agent is let go.</summary>
    internal void End()
    {
        lock (gate)
        {
            open.Clear();
            held = false;
            input?.Close();
        }

        journal.Event(BerthEvents.TalkEnded);
    }

    private void Follow(string id, string? state)
    {
        if (state is "started" && open.Contains(id))
        {
            // One that had waited when the turn was interrupted goes on by itself.
            held = false;
            return;
        }

        if (state is not ("queued" or "started"))
        {
            _ = open.Remove(id);
        }
    }

    private TalkState State()
    {
        if (!afterResult)
        {
            return TalkState.InTurn;
        }

        if (open.Count > 0)
        {
            return TalkState.MessageWaits;
        }

        if (held)
        {
            return TalkState.Held;
        }

        // The end of its input is what makes the CLI finish and exit.
        input?.Close();
        return TalkState.Over;
    }

    private static bool BeginsTurn(JsonElement line) => AgentLines.Text(line, "type") switch
    {
        "assistant" or "user" or "stream_event" => true,
        "system" => AgentLines.Text(line, "subtype") is "init",
        _ => false,
    };

    private ControlReply? Write(byte[] line) => input is null
        ? new ControlReply(false, "The agent has not been started yet.")
        : input.Send(line) is { } why ? new ControlReply(false, why, "run_ending") : null;
}
