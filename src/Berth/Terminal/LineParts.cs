using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Terminal;

/// <summary>
/// Puts the lines together that the journal holds in parts, up to a bound: what is longer is only counted.
/// </summary>
internal sealed class LineParts
{
    /// <summary>
    /// A longer line is not taken apart for display; it is in the journal. Of a model's text, 4 Mi characters are a
    /// book.
    /// </summary>
    private const int MostCharacters = 4 * 1024 * 1024;

    private const string TooLong = "(a line too long to show; berth logs --raw prints it)";

    private readonly Dictionary<string, StringBuilder> open = new(StringComparer.Ordinal);

    /// <summary>Takes an entry.</summary>
    /// <returns>The whole line's data; a JSON string where it is not JSON or too long; null while more is to
    /// come.</returns>
    public JsonElement? Take(JournalEntry entry)
    {
        if (entry is { More: false, Spill: null } && !open.ContainsKey(entry.Stream))
        {
            return entry.Data;
        }

        var line = open.TryGetValue(entry.Stream, out var begun) ? begun : open[entry.Stream] = new StringBuilder();
        if (line.Length <= MostCharacters && entry.Data.ValueKind == JsonValueKind.String)
        {
            line.Append(entry.Data.GetString());
        }

        if (entry.More)
        {
            return null;
        }

        open.Remove(entry.Stream);
        return entry.Spill is null && line.Length <= MostCharacters && Parse(line.ToString()) is { } whole
            ? whole
            : JsonSerializer.SerializeToElement(TooLong, TerminalJson.Default.String);
    }

    private static JsonElement? Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
