using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Berth.Protocol;

/// <summary>Turns whatever bytes an agent wrote into text and JSON that every reader takes. Nothing here throws on
/// bad bytes.</summary>
public static class AgentText
{
    private static readonly SearchValues<byte> MustEscape = SearchValues.Create(
        [.. Enumerable.Range(0, 32).Select(value => (byte)value), (byte)'"', (byte)'\\']);

    private static ReadOnlySpan<byte> Replacement => "\uFFFD"u8;

    /// <summary>Whether a line is one JSON object or array, nested no deeper than a reader follows.</summary>
    public static bool IsJson(ReadOnlySpan<byte> line, int maxDepth = JournalEntry.MaxDataDepth)
    {
        if (line.IsEmpty || line[0] is not (byte)'{' and not (byte)'[')
        {
            return false;
        }

        try
        {
            var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = maxDepth });
            while (reader.Read())
            {
                // Reading to the end is the whole check.
            }

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>A line without the white space of JSON around it.</summary>
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> line) => line.Trim(" \t\r\n"u8);

    /// <summary>Gives the text with each invalid sequence of UTF-8 replaced by U+FFFD.</summary>
    /// <param name="text">Any bytes.</param>
    /// <param name="scratch">Where a changed text is put; an unchanged one is returned as it is.</param>
    public static ReadOnlySpan<byte> Sanitize(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> scratch)
    {
        if (Utf8.IsValid(text))
        {
            return text;
        }

        scratch.ResetWrittenCount();
        while (!text.IsEmpty)
        {
            var valid = ValidPrefix(text);
            scratch.Write(text[..valid]);
            text = text[valid..];
            if (!text.IsEmpty)
            {
                _ = Rune.DecodeFromUtf8(text, out _, out var consumed);
                scratch.Write(Replacement);
                text = text[consumed..];
            }
        }

        return scratch.WrittenSpan;
    }

    /// <summary>Replaces escaped halves of surrogate pairs, which no .NET reader can turn into a string, by U+FFFD;
    /// the length stays.</summary>
    public static void MendSurrogates(Span<byte> json)
    {
        const int EscapeLength = 6;
        for (var at = 0; at < json.Length;)
        {
            var next = json[at..].IndexOf((byte)'\\');
            if (next < 0)
            {
                return;
            }

            at += next;
            if (!IsSurrogate(json[at..], out var low))
            {
                at += json[at..].Length > 1 && json[at + 1] == (byte)'u' ? EscapeLength : 2;
                continue;
            }

            if (!low && IsSurrogate(json[Math.Min(at + EscapeLength, json.Length)..], out var secondIsLow)
                && secondIsLow)
            {
                at += 2 * EscapeLength;
                continue;
            }

            "\\ufffd"u8.CopyTo(json[at..]);
            at += EscapeLength;
        }
    }

    /// <summary>Whether the JSON may hold an escaped surrogate, so that it has to be looked at.</summary>
    public static bool MayHoldSurrogates(ReadOnlySpan<byte> json) =>
        json.IndexOf("\\ud"u8) >= 0 || json.IndexOf("\\uD"u8) >= 0;

    /// <summary>Writes valid UTF-8 as a JSON string with its quotes.</summary>
    public static void WriteString(ReadOnlySpan<byte> text, ArrayBufferWriter<byte> output)
    {
        output.Write("\""u8);
        while (true)
        {
            var next = text.IndexOfAny(MustEscape);
            if (next < 0)
            {
                output.Write(text);
                output.Write("\""u8);
                return;
            }

            output.Write(text[..next]);
            WriteEscape(text[next], output);
            text = text[(next + 1)..];
        }
    }

    /// <summary>How many bytes of a text can be taken so that no character is cut in two.</summary>
    public static int WholeCharacters(ReadOnlySpan<byte> text, int at)
    {
        const int LongestTail = 3;
        var cut = at;
        while (cut > 0 && cut < text.Length && at - cut < LongestTail && (text[cut] & 0xC0) == 0x80)
        {
            cut--;
        }

        // Four continuation bytes in a row are no character; then any cut will do.
        return cut > 0 && (cut == text.Length || (text[cut] & 0xC0) != 0x80) ? cut : at;
    }

    private static void WriteEscape(byte value, ArrayBufferWriter<byte> output)
    {
        const int Longest = 6;
        var place = output.GetSpan(Longest);
        place[0] = (byte)'\\';
        var simple = value switch
        {
            (byte)'"' or (byte)'\\' => value,
            (byte)'\n' => (byte)'n',
            (byte)'\r' => (byte)'r',
            (byte)'\t' => (byte)'t',
            _ => (byte)'u',
        };
        place[1] = simple;
        if (simple != (byte)'u')
        {
            output.Advance(2);
            return;
        }

        place[2] = place[3] = (byte)'0';
        place[4] = (byte)('0' + (value >> 4));
        place[5] = "0123456789abcdef"u8[value & 0xf];
        output.Advance(Longest);
    }

    private static int ValidPrefix(ReadOnlySpan<byte> text)
    {
        // Halving finds a long valid stretch by the vectorised check instead of a rune at a time.
        var length = 0;
        for (var step = text.Length; step > 0; step /= 2)
        {
            while (step <= text.Length - length && Utf8.IsValid(text.Slice(length, step)))
            {
                length += step;
            }

            const int Short = 32;
            if (step < Short)
            {
                break;
            }
        }

        while (length < text.Length && Rune.DecodeFromUtf8(text[length..], out _,
            out var consumed) == OperationStatus.Done)
        {
            length += consumed;
        }

        return length;
    }

    private static bool IsSurrogate(ReadOnlySpan<byte> json, out bool low)
    {
        const int ThirdDigit = 3;
        low = json.Length > ThirdDigit && json[ThirdDigit] is >= (byte)'c' and <= (byte)'f'
            or >= (byte)'C' and <= (byte)'F';
        return json.Length >= 6 && json[0] == (byte)'\\' && json[1] == (byte)'u' && json[2] is (byte)'d' or (byte)'D'
            && json[ThirdDigit] is (>= (byte)'8' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f')
                or (>= (byte)'A' and <= (byte)'F');
    }
}
