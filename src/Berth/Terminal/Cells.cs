using System.Globalization;
using System.Text;

namespace Berth.Terminal;

/// <summary>How many columns of a terminal a text takes.</summary>
internal static class Cells
{
    private const char Ellipsis = '…';

    // The blocks that terminals draw two columns wide: Hangul, CJK and its signs, full-width forms, emoji, the
    // rarer ideographs.
    private static readonly (int First, int Last)[] Wide =
    [
        (0x1100, 0x115f), (0x2e80, 0x303e), (0x3041, 0xa4cf), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe30, 0xfe6f),
        (0xff00, 0xff60), (0xffe0, 0xffe6), (0x1f300, 0x1f64f), (0x1f680, 0x1f6ff), (0x1f900, 0x1f9ff),
        (0x20000, 0x3fffd),
    ];

    /// <summary>The width of a row.</summary>
    public static int Width(string row) => row.EnumerateRunes().Sum(Width);

    /// <summary>The row, cut so that it and a sign of the cut are no wider than asked for.</summary>
    public static string Cut(string row, int width)
    {
        // A row has at least as many characters as half its columns, so most rows are decided without counting.
        if (row.Length <= width / 2 || Width(row) <= width)
        {
            return row;
        }

        var cut = new StringBuilder();
        var used = 1;
        foreach (var rune in row.EnumerateRunes())
        {
            used += Width(rune);
            if (used > width)
            {
                break;
            }

            cut.Append(rune.ToString());
        }

        return width < 1 ? string.Empty : cut.Append(Ellipsis).ToString();
    }

    /// <summary>The row, filled with spaces to a width.</summary>
    public static string Fill(string row, int width) => row + new string(' ', Math.Max(0, width - Width(row)));

    private static int Width(Rune rune)
    {
        if (rune.Value < 0x300)
        {
            return 1;
        }

        var category = Rune.GetUnicodeCategory(rune);
        if (category is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format)
        {
            return 0;
        }

        return Array.Exists(Wide, block => rune.Value >= block.First && rune.Value <= block.Last) ? 2 : 1;
    }
}
