using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Tool calls that wait for somebody's decision: each is decided once, by whoever is first.</summary>
/// <remarks>
/// The CLI asks with a <c>can_use_tool</c> control request and waits for ever; an interrupt makes it withdraw the
/// request. So the time limit is ours, and it holds while no host lives. Members may be called from any thread.
/// </remarks>
internal sealed class ApprovalDesk(RunJournal journal, TimeSpan limit, TimeProvider time)
{
    private const int MostWaiting = 100;
    private const int MostCalls = 10_000;
    private const int LongestId = 200;
    private const int LongestReason = 2000;

    // Events of ours are kept beyond the journal's cap, and any process inside can forge a request. Past the first
    // bound inputs and reasons are left out; past the second one no further call is told, and all are denied.
    private const long MostToldBytes = 16 * 1024 * 1024;
    private const long MostToldAtAll = 2 * MostToldBytes;

    // What the two events of a call have beside the agent's own words.
    private const int EventBytes = 512;
    private const string NobodyAnswered = "Nobody answered in time whether this call may be made. Go on without it.";
    private const string TooLarge = "The call is too large to be shown to anybody. Make a smaller one.";
    private const string TooMany = "Too many calls wait for a decision. Go on without this one.";
    private const string Denied = "The user does not want this call to be made. Go on without it.";

    private readonly Lock gate = new();
    private readonly SortedDictionary<int, WaitingCall> waiting = [];
    private AgentInput? input;
    private int calls;
    private long told;
    private bool hasToldTooMany;
    private bool hasToldBypassed;

    /// <summary>What was asked, and what was allowed.</summary>
    internal DecidedCalls Decided { get; } = new();

    /// <summary>From here on there is an agent that may ask.</summary>
    internal void Begin(AgentInput agent)
    {
        lock (gate)
        {
            input = agent;
        }
    }

    /// <summary>Takes what the agent has just said into account.</summary>
    internal void Hear(JsonElement line)
    {
        switch (AgentLines.Text(line, "type"))
        {
            case "control_request" when line.TryGetProperty("request"u8, out var request):
                Ask(AgentLines.Text(line, "request_id") ?? string.Empty, request);
                break;
            case "control_cancel_request":
                Withdraw(AgentLines.Text(line, "request_id"));
                break;
        }
    }

    /// <summary>The agent has asked with more than anybody could look at.</summary>
    internal void RefuseLong(string requestId)
    {
        lock (gate)
        {
            var call = new WaitingCall(++calls, requestId, "?", null, 0);
            if (requestId.Length > LongestId || DeniesAll(call))
            {
                Reply(requestId, json => WriteAnswer(json, new(false, null, TooLarge)));
                return;
            }

            Settle(call, ApprovalCause.TooLarge, new(false, null, TooLarge));
        }
    }

    /// <summary>Takes somebody's decision.</summary>
    internal ControlReply Decide(ApprovalAnswer? answer, string? by)
    {
        if (answer is null)
        {
            return new ControlReply(false, "A decision says on which call and which.");
        }

        lock (gate)
        {
            if (!waiting.Remove(answer.Call, out var call))
            {
                return answer.Call > 0 && answer.Call <= calls
                    ? new ControlReply(false, $"The call {answer.Call} is decided already.", "approval_decided")
                    : NoSuchCall(answer.Call);
            }

            Settle(call, ApprovalCause.Person, new(answer.IsAllowed, by, answer.Reason));
            return new ControlReply(true);
        }
    }

    /// <summary>Denies the calls whose time is up.</summary>
    /// <returns>Whether others wait.</returns>
    internal bool Expire()
    {
        lock (gate)
        {
            foreach (var call in waiting.Values.Where(call => time.GetElapsedTime(call.Since) >= limit).ToList())
            {
                _ = waiting.Remove(call.Number);
                Settle(call, ApprovalCause.Timeout, new(false, null, NobodyAnswered));
            }

            return waiting.Count > 0;
        }
    }

    /// <summary>The agent has ended: what still waits is decided by that.</summary>
    internal void Close()
    {
        lock (gate)
        {
            foreach (var call in waiting.Values)
            {
                Tell(call, ApprovalCause.Ended, null);
            }

            waiting.Clear();
            input = null;
        }
    }

    /// <summary>A call was made that nobody has allowed.</summary>
    /// <remarks>The first one ends the run, and is told alone: until the end, any number can follow.</remarks>
    internal void TellBypassed(string toolUseId)
    {
        lock (gate)
        {
            if (hasToldBypassed)
            {
                return;
            }

            hasToldBypassed = true;
        }

        journal.Event(
            BerthEvents.ApprovalBypassed, data => data.WriteString("toolUseId"u8, Start(toolUseId, LongestId)));
    }

    /// <summary>The answer where nobody has asked.</summary>
    internal static ControlReply NoSuchCall(int number) =>
        new(false, $"There is no call {number} that waits.", "approval_not_found");

    private void Ask(string requestId, JsonElement request)
    {
        lock (gate)
        {
            if (AgentLines.Text(request, "subtype") is not "can_use_tool")
            {
                Reply(
                    requestId, static json => json.WriteString("error"u8, "Berth answers can_use_tool only."), "error");
                return;
            }

            var call = new WaitingCall(
                ++calls,
                requestId,
                Start(AgentLines.Text(request, "tool_name"), LongestId) ?? "?",
                Start(AgentLines.Text(request, "tool_use_id"), LongestId),
                time.GetTimestamp());
            Decided.Asked(call.ToolUseId);
            if (requestId.Length > LongestId || DeniesAll(call))
            {
                Reply(requestId, json => WriteAnswer(json, new(false, null, TooMany)));
                return;
            }

            if (waiting.Count >= MostWaiting)
            {
                Settle(call, ApprovalCause.TooMany, new(false, null, TooMany));
                return;
            }

            waiting.Add(call.Number, call);
            journal.Event(BerthEvents.ApprovalRequested, data =>
            {
                WriteCall(data, call);
                data.WriteString("deadline"u8, time.GetUtcNow() + limit);
                var reason = Start(AgentLines.Text(request, "decision_reason"), LongestReason);
                data.WriteString("reason"u8, MayTell(Encoded(reason)) ? reason : null);
                WriteInput(data, request);
            });
        }
    }

    // Each call that is told comes to events that the journal must keep. The first one that is too many is told.
    private bool DeniesAll(WaitingCall call)
    {
        told += EventBytes + (2 * (Encoded(call.Tool) + Encoded(call.ToolUseId)));
        if (calls < MostCalls && told <= MostToldAtAll)
        {
            return false;
        }

        if (!hasToldTooMany)
        {
            hasToldTooMany = true;
            Tell(call, ApprovalCause.TooMany, new(false, null, TooMany));
        }

        return true;
    }

    private bool MayTell(long bytes)
    {
        var hasRoom = told + bytes <= MostToldBytes;
        told += hasRoom ? bytes : 0;
        return hasRoom;
    }

    // What a text comes to in an event: a letter may take six bytes.
    private static long Encoded(string? text) =>
        text is null ? 0 : JsonEncodedText.Encode(text).EncodedUtf8Bytes.Length;

    private void Withdraw(string? requestId)
    {
        lock (gate)
        {
            var call = waiting.Values.FirstOrDefault(
                call => string.Equals(call.RequestId, requestId, StringComparison.Ordinal));
            if (call is not null)
            {
                _ = waiting.Remove(call.Number);
                Tell(call, ApprovalCause.Withdrawn, null);
            }
        }
    }

    private void Settle(WaitingCall call, ApprovalCause cause, Decision decision)
    {
        if (decision.IsAllowed)
        {
            Decided.Allowed(call.ToolUseId);
        }

        Reply(call.RequestId, json => WriteAnswer(json, decision));
        Tell(call, cause, decision);
    }

    private static void WriteAnswer(Utf8JsonWriter json, Decision decision)
    {
        json.WriteStartObject("response"u8);
        json.WriteString("behavior"u8, decision.IsAllowed ? "allow" : "deny");
        if (!decision.IsAllowed)
        {
            json.WriteString("message"u8, decision.Reason ?? Denied);
        }

        json.WriteEndObject();
    }

    private void Reply(string requestId, Action<Utf8JsonWriter> content, string subtype = "success")
    {
        var line = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "control_response"u8);
            json.WriteStartObject("response"u8);
            json.WriteString("subtype"u8, subtype);
            json.WriteString("request_id"u8, requestId);
            content(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        line.Write("\n"u8);

        // Where its input is closed the CLI has denied the call by itself.
        _ = input?.Send(line.WrittenSpan.ToArray());
    }

    private void Tell(WaitingCall call, ApprovalCause cause, Decision? decision) =>
        journal.Event(BerthEvents.ApprovalDecided, data =>
        {
            WriteCall(data, call);
            data.WriteString(
                "decision"u8, decision switch { null => "withdrawn", { IsAllowed: true } => "allow", _ => "deny" });
            data.WriteString("cause"u8, JsonNamingPolicy.SnakeCaseLower.ConvertName(cause.ToString()));
            data.WriteString("by"u8, decision?.By);
            data.WriteString("reason"u8, decision?.Reason);
        });

    private static void WriteCall(Utf8JsonWriter data, WaitingCall call)
    {
        data.WriteNumber("call"u8, call.Number);
        data.WriteString("tool"u8, call.Tool);
        data.WriteString("toolUseId"u8, call.ToolUseId);
    }

    private static string? Start(string? text, int longest) =>
        text is null || text.Length <= longest ? text
            : text[..(char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)];

    private void WriteInput(Utf8JsonWriter data, JsonElement request)
    {
        if (!request.TryGetProperty("input"u8, out var asked))
        {
            return;
        }

        var length = JsonMarshal.GetRawUtf8Value(asked).Length;
        if (length > BerthEvents.LongestInput || !MayTell(length))
        {
            data.WriteNumber("inputBytes"u8, length);
            return;
        }

        data.WritePropertyName("input"u8);
        data.WriteRawValue(JsonMarshal.GetRawUtf8Value(asked), skipInputValidation: true);
    }

    private enum ApprovalCause
    {
        Person,
        Timeout,
        Withdrawn,
        Ended,
        TooLarge,
        TooMany,
    }

    private sealed record WaitingCall(int Number, string RequestId, string Tool, string? ToolUseId, long Since);

    private sealed record Decision(bool IsAllowed, string? By, string? Reason);
}
