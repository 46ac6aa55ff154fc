using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>Reads JSON that another program wrote: what is missing or of another shape is null, and nothing
/// throws.</summary>
internal static class ClaudeJson
{
    /// <summary>The most letters that <see cref="Word"/> keeps.</summary>
    public const int LongestWord = 200;

    /// <summary>A member of an object; undefined where there is none.</summary>
    public static JsonElement Member(this JsonElement element, string name)
    {
        try
        {
            var isObject = element.ValueKind == JsonValueKind.Object;
            return isObject && element.TryGetProperty(name, out var value) ? value : default;
        }
        catch (InvalidOperationException)
        {
            // Another member's name is no valid text, so names cannot be compared.
            return default;
        }
    }

    /// <summary>The items of an array; none where it is none.</summary>
    public static IEnumerable<JsonElement> Items(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray() : Enumerable.Empty<JsonElement>();

    /// <summary>The members of an object; none where it is none.</summary>
    public static IEnumerable<JsonElement> Values(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
            ? element.EnumerateObject().Select(member => member.Value)
            : Enumerable.Empty<JsonElement>();

    /// <summary>A member that is a string.</summary>
    public static string? Text(this JsonElement element, string name) => element.Member(name).Text();

    /// <summary>A member that is a name, an id or the like: of a longer text the beginning. What is kept beyond its
    /// event is read with this, for a line may have a hundred megabytes.</summary>
    public static string? Word(this JsonElement element, string name) => element.Text(name) is { } text
        ? Start(text, LongestWord)
        : null;

    /// <summary>The beginning of a text, without half a surrogate pair at its end.</summary>
    public static string Start(string text, int longest) => text.Length <= longest
        ? text
        : text[..(char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)];

    /// <summary>A copy that holds nothing of the document around it.</summary>
    /// <remarks><see cref="JsonElement.Clone"/> copies nothing of a document that is no disposable one, and so keeps
    /// the whole line.</remarks>
    /// <returns>Null where it is longer than that, or is none.</returns>
    public static JsonElement? Apart(this JsonElement element, int longest)
    {
        if (element.ValueKind == JsonValueKind.Undefined)
        {
            return null;
        }

        var raw = JsonMarshal.GetRawUtf8Value(element);
        return raw.Length <= longest
            ? JsonElement.Parse(raw, new JsonDocumentOptions { MaxDepth = 2 * JournalEntry.MaxDataDepth })
            : null;
    }

    /// <summary>A string, with U+FFFD for half a surrogate pair, which JavaScript programs do write.</summary>
    public static string? Text(this JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.String)
        {
            return null;
        }

        try
        {
            return element.GetString();
        }
        catch (InvalidOperationException)
        {
            using var repaired = JsonDocument.Parse(Repair(element.GetRawText()));
            return repaired.RootElement.GetString();
        }
    }

    /// <summary>A member that is true.</summary>
    public static bool IsTrue(this JsonElement element, string name) =>
        element.Member(name).ValueKind == JsonValueKind.True;

    /// <summary>A member that is a count, within reason; 0 where it is none.</summary>
    public static long Count(this JsonElement element, string name)
    {
        const long Reason = 1_000_000_000_000;
        var value = element.Member(name);
        var isNumber = value.ValueKind == JsonValueKind.Number;
        return isNumber && value.TryGetInt64(out var number) ? Math.Clamp(number, 0, Reason) : 0;
    }

    /// <summary>A member that is a sum of money, within reason; null where it is none.</summary>
    public static decimal? Money(this JsonElement element, string name)
    {
        const decimal Reason = 1_000_000_000;
        var value = element.Member(name);
        var isNumber = value.ValueKind == JsonValueKind.Number;
        // The CLI adds up binary fractions: 0.018000000000000002.
        return isNumber && value.TryGetDecimal(out var number) ? Math.Round(Math.Clamp(number, 0, Reason), 9) : null;
    }

    private static string Repair(string json)
    {
        var result = new StringBuilder(json.Length);
        for (var i = 0; i < json.Length;)
        {
            // A backslash is never the last character of valid JSON.
            var length = json[i] != '\\' ? 1 : json[i + 1] == 'u' ? 6 : 2;
            if (length == 6 && char.IsSurrogate(Unit(json, i)))
            {
                var pair = i + 12 <= json.Length && json[i + 6] == '\\' && json[i + 7] == 'u'
                    && char.IsSurrogatePair(Unit(json, i), Unit(json, i + 6));
                result.Append(pair ? json.AsSpan(i, 12) : "\\ufffd");
                i += pair ? 12 : 6;
                continue;
            }

            result.Append(json, i, length);
            i += length;
        }

        return result.ToString();
    }

    private static char Unit(string json, int escape) =>
        (char)int.Parse(json.AsSpan(escape + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
