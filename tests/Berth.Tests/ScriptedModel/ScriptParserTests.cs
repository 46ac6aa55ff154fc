using Berth.ScriptedModel;
using Xunit;

namespace Berth.Tests.ScriptedModel;

public sealed class ScriptParserTests
{
    [Fact]
    public void A_script_is_turns_of_steps()
    {
        var script = ScriptParser.Parse(
            """
            # a comment
            thinking Hm.
            text one\ttwo\nthree \\ \x
            usage in=7 out=2K cache-read=3
            ---

            tool Read {"file_path": "{{cwd}}/a"}
            tool Nothing
            stop pause_turn
            model other
            """);

        Assert.Equal(2, script.Turns.Count);
        Assert.Equal([new TextStep("Hm.", true), new TextStep("one\ttwo\nthree \\ \\x", false)], script.Turns[0].Steps);
        Assert.Equal(new Usage(7, 2048, 3, 0), script.Turns[0].Usage);
        Assert.Equal(
            [new ToolStep("Read", "{\"file_path\": \"{{cwd}}/a\"}"), new ToolStep("Nothing", "{}")],
            script.Turns[1].Steps);
        Assert.Equal(("pause_turn", "other"), (script.Turns[1].StopReason, script.Turns[1].Model));
    }

    [Fact]
    public void Texts_and_tool_inputs_may_go_over_several_lines()
    {
        const string Text = "text <<END\n  a\n---\nb\\n\nEND\nbash <<X\necho \"1\"\necho 2\nX\n";
        var script = ScriptParser.Parse(Text + "tool T {\n  \"a\": [1,\n2]\n}\ntool W {\"f\":1,\"c\": <<E}\na\"\nb\nE");

        var steps = Assert.Single(script.Turns).Steps;
        Assert.Equal(new TextStep("  a\n---\nb\\n", false), steps[0]);
        var bash = Assert.IsType<ToolStep>(steps[1]);
        Assert.Contains("echo \\u00221\\u0022\\necho 2", bash.Input, StringComparison.Ordinal);
        Assert.Equal("{\n  \"a\": [1,\n2]\n}", Assert.IsType<ToolStep>(steps[2]).Input);
        Assert.Equal("{\"f\":1,\"c\": \"a\\u0022\\nb\"}", Assert.IsType<ToolStep>(steps[3]).Input);
    }

    [Fact]
    public void Faults_have_a_time_a_place_and_a_number()
    {
        var script = ScriptParser.Parse(
            """
            wait 1.5s
            hang times=2
            cut
            pings forever every=200ms
            pings 3
            body 502 text/html <h1>Bad  gateway</h1>
            flood 2M 80
            start
            raw data: {\n
            error 429 retry-after=3 should-retry=false header=a:b times=4 Slow down
            error 529
            """);

        var steps = script.Turns[0].Steps;
        Assert.Equal(new WaitStep(TimeSpan.FromSeconds(1.5), null), steps[0]);
        Assert.Equal(new HangStep(2), steps[1]);
        Assert.Equal(new CutStep(null), steps[2]);
        Assert.Equal(new PingStep(null, TimeSpan.FromMilliseconds(200)), steps[3]);
        Assert.Equal(new PingStep(3, TimeSpan.FromSeconds(1)), steps[4]);
        Assert.Equal(new BodyStep(502, "text/html", "<h1>Bad gateway</h1>", null), steps[5]);
        Assert.Equal(new FloodStep(2 * 1024 * 1024, 80), steps[6]);
        Assert.Equal(new RawStep("data: {\n"), steps[8]);
        var slow = Assert.IsType<ErrorStep>(steps[9]);
        Assert.Equal((429, "rate_limit_error", "Slow down", 4), (slow.Status, slow.Type, slow.Message, slow.Times));
        Assert.Equal("3", slow.Headers["retry-after"]);
        Assert.Equal("false", slow.Headers["x-should-retry"]);
        Assert.Equal("b", slow.Headers["a"]);
        Assert.Equal("scripted overloaded_error", Assert.IsType<ErrorStep>(steps[10]).Message);
    }

    [Fact]
    public void A_turn_may_repeat_and_a_script_that_is_over_says_so()
    {
        var script = ScriptParser.Parse("repeat 2\ntext a\n---\ntext b");
        var endless = ScriptParser.Parse("text a\n---\nrepeat forever\ntext b");

        Assert.Equal(["a", "a", "b"], Enumerable.Range(0, 3).Select(i => TextAt(script, i)), StringComparer.Ordinal);
        Assert.Same(Turn.TheEnd, script.TurnAt(3));
        Assert.Equal("b", TextAt(endless, 1000));
    }

    [Theory]
    [InlineData("text a\nno", "line 2 of the script: expected a word of the script language, but found 'no'")]
    [InlineData("wait soon", "line 1 of the script: expected a duration such as 500ms, 2s or 1m, but found 'soon'")]
    [InlineData("flood big", "line 1 of the script: expected a number such as 5, 64K or 2M, but found 'big'")]
    [InlineData("tool", "line 1 of the script: expected the name of a tool")]
    [InlineData("tool Read {\n\"a\": 1\n---",
        "line 1 of the script: expected the input of tool Read as one JSON object")]
    [InlineData("text <<END\na", "line 1 of the script: expected a line END that ends the text")]
    [InlineData("error", "line 1 of the script: expected a status, for example 529")]
    [InlineData("error 500 header=x", "line 1 of the script: expected header=NAME:VALUE")]
    [InlineData("stop", "line 1 of the script: expected a stop reason")]
    public void An_error_names_the_line_and_what_was_expected(string text, string message) =>
        Assert.Equal(message, Assert.Throws<ScriptException>(() => ScriptParser.Parse(text)).Message);

    [Fact]
    public void The_demo_is_a_script() => Assert.Equal(6, ScriptParser.Parse(DemoScript.Text).Turns.Count);

    private static string TextAt(Script script, int answers) =>
        Assert.IsType<TextStep>(script.TurnAt(answers).Steps[0]).Text;
}
