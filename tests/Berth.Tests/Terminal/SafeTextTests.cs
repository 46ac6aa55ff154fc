using System.Text.Json;
using Berth.Protocol;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

public sealed class SafeTextTests
{
    private const string Escape = "\u001b";

    [Theory]
    [InlineData("plain text", "plain text")]
    [InlineData("größe 日本 👩\u200d💻", "größe 日本 👩\u200d💻")]
    [InlineData(Escape + "]0;title\u0007", @"\x1b]0;title\x07")]
    [InlineData(Escape + "[2J" + Escape + "[H", @"\x1b[2J\x1b[H")]
    [InlineData("\u009b31m", @"\x9b31m")]
    [InlineData("a\tb", "a    b")]
    [InlineData("back\b\b\u007f", @"back\x08\x08\x7f")]
    [InlineData("abc\u202egnp.exe", @"abc\u202egnp.exe")]
    [InlineData("\u2066\u2069\u200e", @"\u2066\u2069\u200e")]
    [InlineData("\ufeffbom", @"\ufeffbom")]
    [InlineData("zero\u200bwidth", @"zero\u200bwidth")]
    [InlineData("line\u2028end", @"line\u2028end")]
    public void Control_and_format_characters_are_shown_as_what_they_are(string text, string expected) =>
        Assert.Equal(expected, SafeText.Of(text));

    [Fact]
    public void Tags_outside_the_first_plane_are_shown_too() => Assert.Equal(@"\U000e0041", SafeText.Of("\U000e0041"));

    [Fact]
    public void A_lone_surrogate_becomes_a_replacement() => Assert.Equal("a\ufffdb", SafeText.Of("a\ud800b"));

    [Fact]
    public void A_row_has_no_line_breaks() => Assert.Equal("a b c", SafeText.Row("a\r\nb\nc"));

    [Fact]
    public void Rows_are_split_at_every_kind_of_line_break() =>
        Assert.Equal(["a", "b", "", "c"], SafeText.Rows("a\r\nb\n\nc\n"), StringComparer.Ordinal);

    [Fact]
    public void Nothing_that_an_agent_says_reaches_a_terminal_as_a_control_character()
    {
        var all = string.Concat(Enumerable.Range(0, 0x100).Select(code => (char)code));
        var hostile = JsonSerializer.Serialize(all + "\u202e\u2066");
        var narrator = new Narrator(TrialRun.Begin);
        using var writer = new StringWriter();
        var screen = new PlainScreen(writer);
        foreach (var json in (IEnumerable<string>)
        [
            $$$"""
                {"type":"system","subtype":"init","cwd":{{{hostile}}},"model":{{{hostile}}},
                 "mcp_servers":[{"name":{{{hostile}}},"status":{{{hostile}}}}]}
                """,
            $$$"""{"type":"assistant","message":{"content":[{"type":"text","text":{{{hostile}}}}]}}""",
            $$$"""
                {"type":"assistant","message":{"content":[{"type":"tool_use","id":"t",
                 "name":{{{hostile}}},"input":{"command":{{{hostile}}}}}]}}
                """,
            $$$"""
                {"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t","is_error":true,
                 "content":{{{hostile}}}}]}}
                """,
            $$$"""{"type":"result","is_error":true,"terminal_reason":{{{hostile}}},"errors":[{{{hostile}}}]}""",
            hostile,
        ])
        {
            foreach (var stream in (string[])[JournalEntry.Stdout, JournalEntry.Stderr, JournalEntry.Berth])
            {
                narrator.Tell(TrialRun.Entry(0, stream, json)).ToList().ForEach(screen.Write);
                screen.Write(Line.Of(narrator.Status(TrialRun.Begin)));
            }
        }

        Assert.DoesNotContain(
            writer.ToString(),
            letter => (char.IsControl(letter) && letter != '\n') || letter is '\u202e' or '\u2066');
    }
}
