using System.Text.Json;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Lines of the agent's standard output that are more than output: they have to be acted on.</summary>
internal static class AgentLines
{
    private static ReadOnlySpan<byte> Control => "\"control_"u8;

    private static ReadOnlySpan<byte> Lifecycle => "\"command_lifecycle\""u8;

    /// <summary>A line as JSON, where it may be one of those; else null. Most are not, and are not parsed.</summary>
    internal static JsonElement? Parse(ReadOnlySpan<byte> line, bool always)
    {
        if (!always && line.IndexOf(Control) < 0 && line.IndexOf(Lifecycle) < 0)
        {
            return null;
        }

        try
        {
            var reader = new Utf8JsonReader(line);
            using var document = JsonDocument.ParseValue(ref reader);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            // It is journaled as what it is; nothing follows from it.
            return null;
        }
    }

    /// <summary>The id of a control request that is too long to be read whole, or null: from the first piece of the
    /// line.</summary>
    internal static string? RequestIdOf(ReadOnlySpan<byte> beginning)
    {
        if (beginning.IndexOf(Control) < 0)
        {
            return null;
        }

        var reader = new Utf8JsonReader(beginning, isFinalBlock: false, default);
        var isRequest = false;
        string? id = null;
        try
        {
            while (!(isRequest && id is not null) && reader.Read())
            {
                if (reader is not { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 })
                {
                    continue;
                }

                var (isType, isId) = (reader.ValueTextEquals("type"u8), reader.ValueTextEquals("request_id"u8));
                if (!reader.Read())
                {
                    break;
                }

                isRequest |= isType && reader.TokenType == JsonTokenType.String
                    && reader.ValueTextEquals("control_request"u8);
                id ??= isId && reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            }
        }
        catch (JsonException)
        {
            return null;
        }

        return isRequest ? id : null;
    }

    /// <summary>A text of an object, or null where there is none that .NET can read.</summary>
    internal static string? Text(JsonElement element, string name)
    {
        try
        {
            return element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
                && value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : null;
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair.
            return null;
        }
    }
}

/// <summary>Who is told of the lines of a stream as they end.</summary>
internal interface ILineListener
{
    /// <summary>A line has become too long to be kept whole.</summary>
    /// <param name="beginning">What there is of it so far.</param>
    void LongLineBegins(ReadOnlySpan<byte> beginning);

    /// <summary>A line is complete.</summary>
    /// <param name="line">The line; empty for one that was too long.</param>
    /// <param name="isResult">Whether it is a result event.</param>
    void LineEnded(ReadOnlySpan<byte> line, bool isResult);
}

/// <summary>Hears what the agent says on standard output, for those who act on it.</summary>
internal sealed class AgentListener(AgentTalk talk, ApprovalDesk? desk, RunWatch watch, EventWaitHandle wake)
    : ILineListener
{
    private string? longRequest;

    public void LongLineBegins(ReadOnlySpan<byte> beginning)
    {
        longRequest = desk is null ? null : AgentLines.RequestIdOf(beginning);
        StopAt(desk?.Decided.FindUndecidedIn(beginning));
    }

    public void LineEnded(ReadOnlySpan<byte> line, bool isResult)
    {
        var said = isResult || line.IsEmpty ? null : AgentLines.Parse(line, talk.IsAfterResult);
        if (said is { } heard)
        {
            desk?.Hear(heard);
        }

        if (longRequest is { } id)
        {
            desk?.RefuseLong(id);
            longRequest = null;
        }

        StopAt(desk?.Decided.FindUndecided(line));
        watch.SawLine(talk.Hear(isResult, said));
        if (isResult || said is not null)
        {
            wake.Set();
        }
    }

    private void StopAt(string? undecided)
    {
        if (undecided is not null)
        {
            desk!.TellBypassed(undecided);
            watch.RequestStop(ExitCause.ApprovalBypassed, now: true);
            wake.Set();
        }
    }
}
