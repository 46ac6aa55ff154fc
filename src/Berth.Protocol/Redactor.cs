using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Berth.Protocol;

/// <summary>Replaces secrets by <c>***</c> before a byte of them is written anywhere.</summary>
/// <remarks>
/// It knows each value raw and as JSON writers escape it (minimal, all but ASCII escaped, also &lt;&gt;&amp;'"+
/// escaped, with and without an escaped slash, hex digits of either case, minimal twice), and each line of a value
/// that has several. Values and lines under <see cref="ShortestValue"/> characters are left alone: they would blot
/// out ordinary text.
/// </remarks>
public sealed class Redactor
{
    /// <summary>Shorter values are not redacted.</summary>
    public const int ShortestValue = 6;

    private readonly byte[][] patterns;

    /// <summary>Makes one for the values of a run.</summary>
    public Redactor(IEnumerable<string> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        patterns = [.. values.SelectMany(Pieces).SelectMany(SecretForms.Of).Distinct(StringComparer.Ordinal)
            .Select(Encoding.UTF8.GetBytes).OrderByDescending(pattern => pattern.Length)];
        Longest = patterns.Length == 0 ? 0 : patterns[0].Length;
    }

    /// <summary>One that redacts nothing.</summary>
    public static Redactor None { get; } = new([]);

    /// <summary>The length of the longest pattern in bytes: what has to be held back at the end of a piece of a
    /// line.</summary>
    public int Longest { get; }

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
        // At least three bytes are held back, for they may begin a character.
        var cut = text.Length - Math.Max(Longest - 1, 3);
        if (cut <= 0)
        {
            return 0;
        }

        foreach (var (start, end) in Find(text) ?? [])
        {
            if (start < cut && end > cut)
            {
                cut = start > 0 ? start : end;
                break;
            }
        }

        return AgentText.WholeCharacters(text, cut);
    }

    private static IEnumerable<string> Pieces(string value) =>
        value.Split('\n').Select(line => line.TrimEnd('\r')).Append(value)
            .Where(piece => piece.Length >= ShortestValue && !string.IsNullOrWhiteSpace(piece));

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

    private List<(int Start, int End)>? Find(ReadOnlySpan<byte> text)
    {
        List<(int Start, int End)>? found = null;
        foreach (var pattern in patterns)
        {
            for (var at = 0; text[at..].IndexOf(pattern) is >= 0 and var next; at += next + 1)
            {
                (found ??= []).Add((at + next, at + next + pattern.Length));
            }
        }

        return found is null ? null : Merge(found);
    }

    // Finds that overlap are one: otherwise a secret that shares bytes with another would show its other end.
    private static List<(int Start, int End)> Merge(List<(int Start, int End)> found)
    {
        found.Sort();
        var merged = 0;
        for (var i = 1; i < found.Count; i++)
        {
            if (found[i].Start < found[merged].End)
            {
                found[merged] = (found[merged].Start, Math.Max(found[merged].End, found[i].End));
            }
            else
            {
                found[++merged] = found[i];
            }
        }

        found.RemoveRange(merged + 1, found.Count - merged - 1);
        return found;
    }
}

/// <summary>The forms in which a secret shows up in JSON.</summary>
internal static class SecretForms
{
    private const string AlsoEscapedByCareful = "<>&'\"+`";

    internal static IEnumerable<string> Of(string value)
    {
        yield return value;
        foreach (var slash in (bool[])[false, true])
        {
            var minimal = Escape(value, slash, static _ => false, "x4");
            yield return minimal;
            yield return Escape(minimal, slash, static _ => false, "x4");
            foreach (var digits in (string[])["x4", "X4"])
            {
                yield return Escape(value, slash, static letter => !char.IsAscii(letter), digits);
                yield return Escape(value, slash, static letter =>
                    !char.IsAscii(letter) || AlsoEscapedByCareful.Contains(letter), digits);
            }
        }
    }

    private static string Escape(string value, bool slash, Func<char, bool> isEscaped, string digits)
    {
        var text = new StringBuilder(value.Length + 8);
        foreach (var letter in value)
        {
            _ = letter switch
            {
                _ when isEscaped(letter) => text.Append("\\u").Append(((int)letter).ToString(digits,
                    CultureInfo.InvariantCulture)),
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                '/' when slash => text.Append("\\/"),
                < ' ' => text.Append("\\u").Append(((int)letter).ToString(digits, CultureInfo.InvariantCulture)),
                _ => text.Append(letter),
            };
        }

        return text.ToString();
    }
}
