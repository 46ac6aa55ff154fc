using System.Globalization;
using System.Text;

namespace Berth.Terminal;

/// <summary>Makes text of unknown origin harmless to show.</summary>
/// <remarks>
/// What an agent, a repository or a model says may hold escape sequences that retitle a window, hide lines, fill
/// the clipboard or answer in the user's name, and direction marks that make one text look like another. So every
/// control and format character is shown as what it is, <c>\x1b</c> or <c>\u202e</c>. The joiners stay: scripts and
/// emoji need them, and they only change shapes.
/// </remarks>
internal static class SafeText
{
    private const int ZeroWidthNonJoiner = 0x200c;
    private const int ZeroWidthJoiner = 0x200d;
    private const string Tab = "    ";

    /// <summary>One row: line breaks have become spaces.</summary>
    public static string Row(string text) => Of(text.ReplaceLineEndings(" "));

    /// <summary>The rows of a text.</summary>
    public static IEnumerable<string> Rows(string text) =>
        text.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n').Select(Of);

    /// <summary>A text without line breaks, or with them shown as what they are.</summary>
    public static string Of(string text)
    {
        if (text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0)
        {
            return text;
        }

        var safe = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == '\t')
            {
                safe.Append(Tab);
            }
            else if (IsHarmless(rune))
            {
                safe.Append(rune.ToString());
            }
            else
            {
                safe.Append(CultureInfo.InvariantCulture, $"{Prefix(rune)}{Hex(rune)}");
            }
        }

        return safe.ToString();
    }

    // EnumerateRunes has already made U+FFFD of a lone surrogate.
    private static bool IsHarmless(Rune rune) => rune.Value is ZeroWidthJoiner or ZeroWidthNonJoiner
        || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    private static string Prefix(Rune rune) => rune.Value switch { <= 0xff => "\\x", <= 0xffff => "\\u", _ => "\\U" };

    private static string Hex(Rune rune) => rune.Value.ToString(
        rune.Value switch { <= 0xff => "x2", <= 0xffff => "x4", _ => "x8" },
        CultureInfo.InvariantCulture);
}
