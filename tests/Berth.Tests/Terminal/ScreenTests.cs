using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

public sealed class ScreenTests
{
    [Fact]
    public void A_pipe_gets_text_and_nothing_else()
    {
        using var writer = new StringWriter();
        var screen = new PlainScreen(writer);

        screen.Status("going on");
        screen.Write(new Line(new Part("bad ", Tone.Bad), new Part("news", Tone.Strong)) { OneRow = true, Indent = 4 });

        Assert.Equal("bad news\n", writer.ToString());
    }

    [Fact]
    public void A_terminal_gets_colours()
    {
        using var writer = new StringWriter();

        new TerminalScreen(writer, () => 40, colour: true).Write(Line.Of("good", Tone.Good));

        Assert.Contains("\u001b[", writer.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_colours_a_terminal_gets_none()
    {
        using var writer = new StringWriter();

        new TerminalScreen(writer, () => 40, colour: false).Write(Line.Of("good", Tone.Good));

        Assert.Equal("good\n", writer.ToString());
    }

    [Fact]
    public void The_status_stays_below_the_lines_and_is_erased_at_last()
    {
        using var writer = new StringWriter();
        var screen = new TerminalScreen(writer, () => 10, colour: false);

        screen.Status("working on it");
        screen.Write(Line.Of("line"));
        screen.Status(string.Empty);

        Assert.Equal("working …\r\u001b[2Kline\nworking …\r\u001b[2K", writer.ToString());
    }

    [Fact]
    public void A_line_of_one_row_is_cut_at_the_width()
    {
        using var writer = new StringWriter();

        new TerminalScreen(writer, () => 10, colour: false)
            .Write(new Line(new Part("abcdef "), new Part("日本語です")) { OneRow = true });

        Assert.Equal("abcdef 日…\n", writer.ToString());
    }

    [Fact]
    public void Other_lines_are_wrapped_beside_their_margin()
    {
        using var writer = new StringWriter();

        new TerminalScreen(writer, () => 20, colour: false)
            .Write(new Line(new Part("  0:01  "), new Part("one two three four")) { Indent = 8 });

        var rows = writer.ToString().TrimEnd('\n').Split('\n').Select(row => row.TrimEnd());
        Assert.Equal(["  0:01  one two", "        three four"], rows, StringComparer.Ordinal);
    }

    [Fact]
    public void Text_that_looks_like_markup_is_text()
    {
        using var writer = new StringWriter();

        new TerminalScreen(writer, () => 40, colour: false).Write(Line.Of("[red]x[/] [["));

        Assert.Equal("[red]x[/] [[\n", writer.ToString());
    }

    [Theory]
    [InlineData("abc", 3, "abc")]
    [InlineData("abcd", 3, "ab…")]
    [InlineData("日本語", 4, "日…")]
    [InlineData("abc", 0, "")]
    [InlineData("e\u0301e\u0301", 2, "e\u0301e\u0301")]
    public void A_cut_is_never_wider_than_asked_for(string text, int width, string expected) =>
        Assert.Equal(expected, Cells.Cut(text, width));

    [Fact]
    public void A_table_stands_in_columns_and_gives_way_to_a_narrow_terminal()
    {
        using var plain = new StringWriter();
        using var narrow = new StringWriter();
        var table = new Columns("RUN", "REPOSITORY");
        table.Add(new Part("abc"), new Part("a-long-name-of-a-repository"));
        table.Add(new Part("defghi"), new Part("x"));

        table.Show(new PlainScreen(plain));
        table.Show(new TerminalScreen(narrow, () => 20, colour: false));

        Assert.Equal("RUN     REPOSITORY\nabc     a-long-name-of-a-repository\ndefghi  x\n", plain.ToString());
        Assert.Equal("RUN     REPOSITORY\nabc     a-long-name…\ndefghi  x\n", narrow.ToString());
    }
}
