using System.Text;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

/// <summary>Fault 66: a diff on a terminal is git's, and steers nothing.</summary>
public sealed class DiffDisplayTests
{
    private const string Patch =
        "diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1,3 +1,2 @@ f\n \tx  \n"
        + "--- a\n-b\n+++ c\n\\ No newline at end of file\n";

    [Fact]
    public void F66_A_patch_without_control_characters_stays_as_it_is_byte_for_byte()
    {
        var text = Patch + "+ä€🚢\u200d\u00ad\ufeff \r\n" + new string('x', 30_000) + "€\n" + new string('€', 9_000);

        Assert.Equal((text, 0L), Shown(Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void F66_The_colours_are_gits_and_without_them_it_is_the_patch()
    {
        var (shown, _) = Shown(Encoding.UTF8.GetBytes(Patch), hasColours: true);

        Assert.Equal(
            "\u001b[1mdiff --git a/a b/a\u001b[m\n\u001b[1mindex 1..2 100644\u001b[m\n\u001b[1m--- a/a\u001b[m\n"
                + "\u001b[1m+++ b/a\u001b[m\n\u001b[36m@@ -1,3 +1,2 @@ f\u001b[m\n \tx  \n\u001b[31m--- a\u001b[m\n"
                + "\u001b[31m-b\u001b[m\n\u001b[32m+++ c\u001b[m\n\\ No newline at end of file\n",
            shown);
    }

    [Theory]
    [InlineData("+\u001b]0;owned\u0007", "+^[]0;owned^G", 2)]
    [InlineData("+\u001b[31mred\u001b[m", "+^[[31mred^[[m", 2)]
    [InlineData("+over\rwritten", "+over^Mwritten", 1)]
    [InlineData("+\r", "+\r", 0)]
    [InlineData("+\0\b\u007f", "+^@^H^?", 3)]
    [InlineData("+\u009b31m", "+<U+009B>31m", 1)]
    [InlineData("+a\u202eb\u2066\u200f\u2028", "+a<U+202E>b<U+2066><U+200F><U+2028>", 4)]
    [InlineData("+\U000e0041", "+<U+E0041>", 1)]
    public void F66_What_steers_a_terminal_is_shown_as_text(string line, string expected, long changed) =>
        Assert.Equal(($"{expected}\n", changed), Shown(Encoding.UTF8.GetBytes(line + "\n")));

    [Fact]
    public void F66_Bytes_that_are_no_characters_are_no_control_sequences_either()
    {
        Assert.Equal(("+<9B>31m<80>\n", 2L), Shown([(byte)'+', 0x9b, .. "31m"u8, 0x80, (byte)'\n']));
        Assert.Equal(("+é\n", 0L), Shown([(byte)'+', 0xe9, (byte)'\n'], Encoding.Latin1));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8191)]
    public void F66_It_is_the_same_however_it_arrives(int size)
    {
        var text = Patch + "+" + string.Concat(Enumerable.Repeat("a€🚢\u202e\u001b", 3_000)) + "\r\n+b";
        var bytes = Encoding.UTF8.GetBytes(text);

        Assert.Equal(Shown(bytes, hasColours: true), Shown(bytes, hasColours: true, size: size));
    }

    [Fact]
    public void F66_Each_pair_of_bytes_is_shown_without_a_control_character()
    {
        for (var pair = 0; pair <= 0xffff; pair++)
        {
            var (shown, _) = Shown([(byte)(pair >> 8), (byte)pair], Encoding.Latin1);
            Assert.DoesNotContain(shown, letter => letter is < ' ' and not ('\n' or '\t' or '\r') or '\u007f');
            Assert.False(shown.TrimEnd('\n').TrimEnd('\r').Contains('\r', StringComparison.Ordinal), $"{pair:x4}");
        }
    }

    private static (string Text, long Changed) Shown(
        byte[] bytes, Encoding? encoding = null, bool hasColours = false, int size = int.MaxValue)
    {
        using var output = new MemoryStream();
        using var display = new DiffDisplay(output, hasColours ? new DiffColours() : null);
        for (var at = 0; at < bytes.Length; at += Math.Min(size, bytes.Length))
        {
            display.Write(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
        }

        display.Complete();
        return ((encoding ?? Encoding.UTF8).GetString(output.ToArray()), display.Changed);
    }
}
