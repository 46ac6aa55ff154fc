using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Berth.Protocol;

/// <summary>Replaces secrets by <c>***</c> before a byte of them is written anywhere.</summary>
/// <remarks>
/// It knows each value raw and trimmed, each of its lines, and all of them as programs write them: in URLs, shells,
/// hex, base64 and JSON (<see cref="SecretForms"/>). Values and lines under <see cref="ShortestValue"/> characters are
/// left alone: they would blot out ordinary text. Tokens of well-known services are found by their shape.
/// </remarks>
public sealed class Redactor
{
    /// <summary>Shorter values are not redacted.</summary>
    public const int ShortestValue = 6;

    private readonly SecretAutomaton automaton;

    /// <summary>Makes one for the values of a run, and for what looks like a well-known token.</summary>
    public Redactor(IEnumerable<string> values)
        : this(values, TokenShape.Known)
    {
    }

    private Redactor(IEnumerable<string> values, IReadOnlyList<TokenShape> shapes)
    {
        ArgumentNullException.ThrowIfNull(values);
        automaton = new SecretAutomaton(values.SelectMany(value => SecretForms.Of(value, ShortestValue)), shapes);
    }

    /// <summary>One that knows these values in all their forms, and no token by its shape.</summary>
    public static Redactor OfValues(IEnumerable<string> values) => new(values, []);

    /// <summary>Whether a text holds something that would be redacted.</summary>
    public bool Finds(ReadOnlySpan<byte> text) => Find(text) is not null;

    /// <summary>One that redacts nothing.</summary>
    public static Redactor None { get; } = new([], []);

    /// <summary>The length of the longest pattern in bytes. Of a piece of a line that is twice as long something can
    /// always be let go.</summary>
    public int Longest => automaton.Longest;

    private static ReadOnlySpan<byte> Stars => "***"u8;

    /// <summary>Redacts a text.</summary>
    public string Redact(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var bytes = Encoding.UTF8.GetBytes(text);
        var scratch = new ArrayBufferWriter<byte>();
        return Redact(bytes, scratch) is var redacted && redacted == bytes ? text : Encoding.UTF8.GetString(redacted);
    }

    /// <summary>Redacts bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="scratch">Where a changed text is put; an unchanged one is returned as it is.</param>
    public ReadOnlySpan<byte> Redact(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> scratch)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        if (Find(text) is not { } found)
        {
            return text;
        }

        scratch.ResetWrittenCount();
        Replace(text, found, scratch);
        return scratch.WrittenSpan;
    }

    /// <summary>Redacts a whole line. JSON stays JSON, and the words by which an event is known stay as they
    /// are.</summary>
    /// <param name="line">The line, without its newline.</param>
    /// <param name="scratch">Where a changed line is put; an unchanged one is returned as it is.</param>
    public ReadOnlySpan<byte> RedactLine(ReadOnlySpan<byte> line, ArrayBufferWriter<byte> scratch)
    {
        ArgumentNullException.ThrowIfNull(scratch);
        if (Find(line) is not { } found)
        {
            return line;
        }

        var json = AgentText.Trim(line);
        if (AgentText.IsJson(json))
        {
            scratch.ResetWrittenCount();
            var kept = RedactTokens(json, scratch);

            // A secret that spans tokens is still there: then the line is no longer JSON, but it is redacted.
            if ((Find(scratch.WrittenSpan)?.Count ?? 0) <= kept && AgentText.IsJson(scratch.WrittenSpan))
            {
                return scratch.WrittenSpan;
            }
        }

        scratch.ResetWrittenCount();
        Replace(line, found, scratch);
        return scratch.WrittenSpan;
    }

    /// <summary>How many bytes of a piece can be let go, so that no secret and no character is cut in two.</summary>
    public int SafeCut(ReadOnlySpan<byte> text)
    {
        var found = automaton.Find(text, out var held);

        // A token without an end is held back up to half of the piece; and three bytes are, for they may begin a
        // character.
        var cut = text.Length - Math.Max(Math.Min(held, Math.Max(Longest, text.Length / 2)), 3);
        if (cut <= 0)
        {
            return 0;
        }

        foreach (var (start, end) in found ?? [])
        {
            if (start < cut && end >= cut)
            {
                cut = start > 0 ? start : text.Length > 2 * Longest ? end : 0;
                break;
            }
        }

        return AgentText.WholeCharacters(text, cut);
    }

    private static void Replace(ReadOnlySpan<byte> text, List<(int Start, int End)> found,
        ArrayBufferWriter<byte> output)
    {
        var done = 0;
        foreach (var (start, end) in found)
        {
            output.Write(text[done..start]);
            output.Write(Stars);
            done = end;
        }

        output.Write(text[done..]);
    }

    /// <returns>How many finds were left standing because they are the event's own words.</returns>
    private int RedactTokens(ReadOnlySpan<byte> json, ArrayBufferWriter<byte> output)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = JournalEntry.MaxDataDepth });
        var done = 0;
        var kept = 0;
        var namesKind = false;
        while (reader.Read())
        {
            var token = reader.ValueSpan;
            var isText = reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName;
            var isOwn = reader.CurrentDepth == 1 && (reader.TokenType == JsonTokenType.PropertyName || namesKind);
            namesKind = reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1
                && (token.SequenceEqual("type"u8) || token.SequenceEqual("subtype"u8));
            if (Find(token) is not { } found)
            {
                continue;
            }

            if (isOwn)
            {
                kept += found.Count;
                continue;
            }

            var start = (int)reader.TokenStartIndex + (isText ? 1 : 0);
            output.Write(json[done..start]);
            if (isText)
            {
                Replace(token, WholeEscapes(token, found), output);
            }
            else
            {
                output.Write("\"***\""u8);
            }

            done = start + token.Length;
        }

        output.Write(json[done..]);
        return kept;
    }

    // A find must not leave half an escape on either side: what is left would no longer be JSON.
    private static List<(int Start, int End)> WholeEscapes(ReadOnlySpan<byte> token, List<(int Start, int End)> found)
    {
        for (var i = 0; i < found.Count; i++)
        {
            var (start, end) = found[i];
            start -= TrailingBackslashes(token[..start]) % 2;
            end += end < token.Length ? TrailingBackslashes(token[..end]) % 2 : 0;
            found[i] = (Math.Max(start, i > 0 ? found[i - 1].End : 0), end);
        }

        return found;
    }

    private static int TrailingBackslashes(ReadOnlySpan<byte> text) => text.Length - text.TrimEnd((byte)'\\').Length;

    private List<(int Start, int End)>? Find(ReadOnlySpan<byte> text) => automaton.Find(text, out _);
}
