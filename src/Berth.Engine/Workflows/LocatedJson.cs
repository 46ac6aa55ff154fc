using System.Text;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>
/// A JSON value that knows where it stands in its file, so that a refusal can name the line and column.
/// </summary>
/// <param name="Source">The file.</param>
/// <param name="Index">Where the value begins in the file's text.</param>
/// <param name="Kind">The first token of the value.</param>
internal sealed record LocatedJson(WorkflowText Source, int Index, JsonTokenType Kind)
{
    private static readonly JsonReaderOptions Options = new() { MaxDepth = 16 };

    /// <summary>The value of a string, or the digits of a number.</summary>
    public string Text { get; private init; } = string.Empty;

    /// <summary>The values of an array.</summary>
    public IReadOnlyList<LocatedJson> Items { get; private init; } = [];

    /// <summary>The members of an object, each name once.</summary>
    public IReadOnlyList<LocatedMember> Members { get; private init; } = [];

    /// <summary>Reads a whole file: strict JSON, no comments, at most 16 deep, no name twice in an object.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>, with the line and column.</exception>
    public static LocatedJson Parse(WorkflowText source)
    {
        var bytes = Encoding.UTF8.GetBytes(source.Content);
        var reader = new Utf8JsonReader(bytes, Options);
        try
        {
            _ = reader.Read();
            var value = Value(source, bytes, ref reader);

            // The last read finds what stands after the value, which is an error.
            _ = reader.Read();
            return value;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            // A string with half a surrogate pair is an InvalidOperationException, and only its token's place is known.
            var at = wrong is JsonException json ? PlaceOf(bytes, json) : (int)reader.TokenStartIndex;
            throw source.Refuse(Encoding.UTF8.GetCharCount(bytes, 0, at), $"expected JSON: {Sentence(wrong.Message)}");
        }
    }

    /// <summary>The failure for this value.</summary>
    public FailureException Refuse(string expected) => Source.Refuse(Index, $"expected {expected}, found {Found()}");

    /// <summary>The value as a string that is not empty.</summary>
    public string StringOr(string expected) =>
        Kind == JsonTokenType.String && Text.Length > 0 ? Text : throw Refuse(expected);

    /// <summary>The values of the array.</summary>
    public IReadOnlyList<LocatedJson> ItemsOr(string expected) =>
        Kind == JsonTokenType.StartArray ? Items : throw Refuse(expected);

    /// <summary>The members of the object.</summary>
    public IReadOnlyList<LocatedMember> MembersOr(string expected) =>
        Kind == JsonTokenType.StartObject ? Members : throw Refuse(expected);

    private static LocatedJson Value(WorkflowText source, byte[] bytes, ref Utf8JsonReader reader)
    {
        var place = IndexOf(bytes, ref reader);
        var value = new LocatedJson(source, place, reader.TokenType);
        return reader.TokenType switch
        {
            JsonTokenType.String => value with { Text = reader.GetString()! },
            JsonTokenType.Number => value with { Text = Encoding.UTF8.GetString(reader.ValueSpan) },
            JsonTokenType.StartArray => value with { Items = ItemsOf(source, bytes, ref reader) },
            JsonTokenType.StartObject => value with { Members = MembersOf(source, bytes, ref reader) },
            _ => value,
        };
    }

    private static List<LocatedJson> ItemsOf(WorkflowText source, byte[] bytes, ref Utf8JsonReader reader)
    {
        var items = new List<LocatedJson>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            items.Add(Value(source, bytes, ref reader));
        }

        return items;
    }

    private static List<LocatedMember> MembersOf(WorkflowText source, byte[] bytes, ref Utf8JsonReader reader)
    {
        var members = new List<LocatedMember>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var index = IndexOf(bytes, ref reader);
            var name = reader.GetString()!;
            if (!names.Add(name))
            {
                throw source.Refuse(index, $"expected each name once, found \"{name}\" again");
            }

            _ = reader.Read();
            members.Add(new LocatedMember(name, index, Value(source, bytes, ref reader)));
        }

        return members;
    }

    private static int IndexOf(byte[] bytes, ref Utf8JsonReader reader) =>
        Encoding.UTF8.GetCharCount(bytes, 0, (int)reader.TokenStartIndex);

    private static int PlaceOf(byte[] bytes, JsonException wrong)
    {
        var start = 0;
        for (var line = wrong.LineNumber ?? 0; line > 0; line--)
        {
            start += bytes.AsSpan(start).IndexOf((byte)'\n') + 1;
        }

        return Math.Min(start + (int)(wrong.BytePositionInLine ?? 0), bytes.Length);
    }

    // The reader ends its sentence with a position of its own, counted from zero; ours stands in front.
    private static string Sentence(string message)
    {
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.');
    }

    private string Found() => Kind switch
    {
        JsonTokenType.String when Text.Length == 0 => "an empty string",
        JsonTokenType.String => $"\"{(Text.Length <= 80 ? Text : Text[..80] + "…")}\"",
        JsonTokenType.Number => Text,
        JsonTokenType.StartArray => "an array",
        JsonTokenType.StartObject => "an object",
        JsonTokenType.True => "true",
        JsonTokenType.False => "false",
        _ => "null",
    };
}

/// <summary>A member of a JSON object.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Index">Where the name begins in the file's text.</param>
/// <param name="Value">Its value.</param>
internal sealed record LocatedMember(string Name, int Index, LocatedJson Value);
