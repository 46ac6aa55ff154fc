using System.Globalization;
using System.Text;

namespace Berth.Engine.Claude;

/// <summary>Whether a prompt says anything.</summary>
internal static class PromptText
{
    // Letters and symbols by their category that show nothing: Hangul fillers and the blank of Braille.
    private static readonly Rune[] Fillers =
        [new(0x115F), new(0x1160), new(0x3164), new(0xFFA0), new(0x2800)];

    /// <summary>Whether nothing of a text can be seen: white space, control characters, a byte order mark, zero-width
    /// and directional marks, variation selectors. The CLI takes some of these for no prompt at all, and is done with
    /// it successfully.</summary>
    public static bool IsBlank(string text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsVisible(rune))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsVisible(Rune rune) => !Rune.IsWhiteSpace(rune)
        && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.OtherNotAssigned)
        && !Fillers.Contains(rune);
}
