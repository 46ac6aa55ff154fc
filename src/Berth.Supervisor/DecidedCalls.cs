using System.Text.Json;

namespace Berth.Supervisor;

/// <summary>Watches that no tool call takes effect which the desk was asked about and has not allowed.</summary>
/// <remarks>
/// The CLI decides alone whether it makes a call. Whoever has got at its input or its memory can have it made without
/// the desk. What was made then stands in the transcript: each result has the call's id, whether it was carried out,
/// and who permitted it (<c>tool_result_meta</c>; seen with version 2.1.330). Members may be called from any thread.
/// </remarks>
internal sealed class DecidedCalls
{
    private const int MostCalls = 20_000;
    private const int LongestId = 200;

    private readonly Lock gate = new();
    private readonly Dictionary<string, bool> calls = new(StringComparer.Ordinal);

    private static ReadOnlySpan<byte> ToolResult => "\"tool_result\""u8;

    /// <summary>Somebody is asked.</summary>
    internal void Asked(string? toolUseId) => Note(toolUseId, isAllowed: false);

    /// <summary>The call may be made.</summary>
    internal void Allowed(string? toolUseId) => Note(toolUseId, isAllowed: true);

    /// <summary>The id of a call that was made without a decision, as a line of standard output has it; or
    /// null.</summary>
    internal string? FindUndecided(ReadOnlySpan<byte> line)
    {
        if (line.IndexOf(ToolResult) < 0)
        {
            return null;
        }

        try
        {
            var reader = new Utf8JsonReader(line);
            using var document = JsonDocument.ParseValue(ref reader);
            return FindUndecided(document.RootElement);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The same for a line that is too long to be read whole, from its beginning. A refusal is never as
    /// long.</summary>
    internal string? FindUndecidedIn(ReadOnlySpan<byte> beginning)
    {
        var reader = new Utf8JsonReader(beginning, isFinalBlock: false, default);
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("tool_use_id"u8)
                    && reader.Read() && reader.TokenType == JsonTokenType.String
                    && reader.GetString() is { } id && IsOpen(id))
                {
                    return id;
                }
            }
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // It is journaled as what it is; nothing follows from it.
        }

        return null;
    }

    private string? FindUndecided(JsonElement line)
    {
        if (AgentLines.Text(line, "type") is not "user" || !line.TryGetProperty("message"u8, out var message)
            || message.ValueKind != JsonValueKind.Object || !message.TryGetProperty("content"u8, out var content)
            || content.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        foreach (var part in content.EnumerateArray())
        {
            if (AgentLines.Text(part, "type") is "tool_result" && AgentLines.Text(part, "tool_use_id") is { } id
                && WasMade(part, MetaOf(line, id), IsOpen(id), IsAllowed(id)))
            {
                return id;
            }
        }

        return null;
    }

    private static bool WasMade(JsonElement result, JsonElement? meta, bool isOpen, bool isAllowed)
    {
        if (isAllowed)
        {
            return false;
        }

        var decided = meta is { } entry && entry.TryGetProperty("permission_decision"u8, out var decision)
            ? decision
            : default;
        var isAccepted = AgentLines.Text(decided, "decision") is "accept";

        // It says that a person has permitted it, and no person was asked here.
        var byPerson = isAccepted
            && AgentLines.Text(decided, "source")?.StartsWith("user", StringComparison.Ordinal) == true;
        var isRefused = decided.ValueKind == JsonValueKind.Object && !isAccepted;
        var wasNotMade = meta is { } said && said.TryGetProperty("non_execution_kind"u8, out _);
        var isError = result.TryGetProperty("is_error"u8, out var error) && error.ValueKind == JsonValueKind.True;
        return byPerson || (isOpen && !isRefused && !wasNotMade && (isAccepted || !isError));
    }

    private static JsonElement? MetaOf(JsonElement line, string id)
    {
        if (!line.TryGetProperty("tool_result_meta"u8, out var entries) || entries.ValueKind != JsonValueKind.Array)
        {
            return null;
        }

        foreach (var entry in entries.EnumerateArray())
        {
            if (string.Equals(AgentLines.Text(entry, "id"), id, StringComparison.Ordinal))
            {
                return entry;
            }
        }

        return null;
    }

    private bool IsOpen(string id)
    {
        lock (gate)
        {
            return calls.TryGetValue(id, out var isAllowed) && !isAllowed;
        }
    }

    private bool IsAllowed(string id)
    {
        lock (gate)
        {
            return calls.GetValueOrDefault(id);
        }
    }

    private void Note(string? toolUseId, bool isAllowed)
    {
        if (toolUseId is not { Length: > 0 and <= LongestId } id)
        {
            return;
        }

        lock (gate)
        {
            if (isAllowed || (calls.Count < MostCalls && !calls.ContainsKey(id)))
            {
                calls[id] = isAllowed;
            }
        }
    }
}
