using System.Text;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What a run was asked, as lists, records and webhooks show it.</summary>
/// <param name="Title">The first line, shortened; it is the commit's subject too.</param>
/// <param name="Message">The prompt, cut at <see cref="MostBytes"/>.</param>
internal sealed record AskedText(string Title, string Message)
{
    /// <summary>The most of a prompt that is kept with the run's record, in bytes of UTF-8.</summary>
    public const int MostBytes = 4 * 1024;

    private const int TitleLength = 72;
    private const string Cut = "…";

    /// <summary>Makes it of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="secrets">What must not be shown.</param>
    public static AskedText Of(string prompt, IEnumerable<string> secrets)
    {
        // Redacted before it is cut: half of a secret is a secret still, and no redactor finds it.
        var shown = new Redactor(secrets).Redact(prompt);
        return new AskedText(TitleOf(shown), Start(shown));
    }

    private static string TitleOf(string text)
    {
        var line = text.AsSpan().Trim();
        var end = line.IndexOfAny('\n', '\r');
        var first = string.Concat(
            line[..(end < 0 ? line.Length : end)].ToString().Where(letter => !char.IsControl(letter)));
        return first.Length <= TitleLength ? first : Whole(first.AsSpan(0, TitleLength - 1)) + Cut;
    }

    private static string Start(string text)
    {
        if (Encoding.UTF8.GetByteCount(text) <= MostBytes)
        {
            return text;
        }

        var room = MostBytes - Encoding.UTF8.GetByteCount(Cut);
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            room -= rune.Utf8SequenceLength;
            if (room < 0)
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return string.Concat(text.AsSpan(0, length), Cut);
    }

    // A character of two halves is kept whole or left out.
    private static string Whole(ReadOnlySpan<char> text) =>
        new(char.IsHighSurrogate(text[^1]) ? text[..^1] : text);
}
