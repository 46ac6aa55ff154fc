using System.IO.Pipes;
using System.Text.Json;
using Berth.Commands;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Berth.Tests.Commands;

public sealed class CommandLineTests
{
    public static TheoryData<string[], string> BadUsage => new()
    {
        { ["nosuch"], "nosuch" },
        { ["run"], "Required argument missing" },
        { ["run", "fix", "text", "more"], "more" },
        { ["run", "fix", "--jsno"], "There is no option --jsno" },
        { ["run", "--jsno", "fix", "text"], "There is no option --jsno" },
        { ["run", "fix", "text", "--max-turns", "0"], "1 to 1000" },
        { ["run", "fix", "text", "--max-turns", "1001"], "1 to 1000" },
        { ["run", "fix", "text", "--max-turns", "few"], "\"few\"" },
        { ["run", "fix", "text", "--max-budget-usd", "0"], "above 0" },
        { ["run", "fix", "text", "--max-budget-usd", "1e3"], "above 0" },
        { ["run", "fix", "text", "--max-budget-usd", "10001"], "above 0" },
        { ["run", "fix", "text", "--timeout", "0s"], "1s to 24h" },
        { ["run", "fix", "text", "--timeout", "25h"], "1s to 24h" },
        { ["run", "fix", "text", "--timeout", "90"], "1s to 24h" },
        { ["run", "fix", "text", "--sandbox", "chroot"], "bubblewrap or none" },
        { ["run", "fix", "text", "--trust", "all"], "none, instructions or full" },
        { ["run", "fix", "text", "--env", "NAME"], "NAME=VALUE" },
        { ["run", "fix", "text", "--env", "1A=b"], "NAME=VALUE" },
        { ["run", "fix", "text", "--model"], "--model" },
        { ["cleanup"], "--older-than" },
        { ["cleanup", "--all", "--older-than", "1h"], "only one" },
        { ["cleanup", "--older-than", "soon"], "48h" },
        { ["cleanup", "--all", "--max-size", "1G"], "only one" },
        { ["cleanup", "--max-size", "1.5G"], "500M" },
        { ["artifacts"], "Required argument missing" },
        { ["artifacts", "abc", "--all"], "--output FOLDER" },
        { ["artifacts", "abc", "files/a", "--all", "--output", "a"], "leave out NAME" },
        { ["artifacts", "abc", "--output", "a"], "need a NAME" },
        { ["artifacts", "abc", "--force"], "need a NAME" },
        { ["artifacts", "abc", "files/a", "--json"], "for the list" },
        { ["logs", "abc", "--raw", "--json"], "together" },
        { ["show"], "Required argument missing" },
        { ["workflows", "show"], "Required argument missing" },
    };

    [Theory]
    [MemberData(nameof(BadUsage))]
    public async Task Bad_usage_is_exit_code_2_and_says_what_was_expected(string[] arguments, string expected)
    {
        using var trial = new TrialSurroundings();

        var code = await trial.RunAsync(arguments);

        Assert.Equal(2, code);
        Assert.StartsWith("error: ", trial.Error, StringComparison.Ordinal);
        Assert.Contains(expected, trial.Error, StringComparison.Ordinal);
        Assert.Contains("(usage)", trial.Error, StringComparison.Ordinal);
        Assert.Contains("--help", trial.Error, StringComparison.Ordinal);
        Assert.Equal(!arguments.Contains("--json"), trial.Output.Length == 0);
    }

    [Fact]
    public async Task Bad_usage_with_json_is_one_object_on_standard_output()
    {
        using var trial = new TrialSurroundings();

        var code = await trial.RunAsync("run", "fix", "text", "--max-turns", "x", "--json");

        Assert.Equal(2, code);
        using var document = JsonDocument.Parse(trial.Output);
        var error = document.RootElement.GetProperty("error");
        Assert.Equal("usage", error.GetProperty("code").GetString());
        Assert.Equal("user", error.GetProperty("fault").GetString());
        Assert.Contains("--max-turns", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Contains("--help", error.GetProperty("hint").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run", "--help")]
    [InlineData("workflows", "--json")]
    public async Task A_reader_that_has_gone_is_told_nothing(params string[] arguments)
    {
        using var trial = new TrialSurroundings();
        await using var pipe = new AnonymousPipeServerStream(PipeDirection.Out);
        pipe.DisposeLocalCopyOfClientHandle();
        using var end = new SafeFileHandle(pipe.SafePipeHandle.DangerousGetHandle(), ownsHandle: false);
        var output = new StreamWriter(new FileStream(end, FileAccess.Write, bufferSize: 0)) { AutoFlush = true };
        var streams = trial.Given.Streams with { Output = output };

        Assert.Equal(141, await CommandLine.RunAsync(trial.Given with { Streams = streams }, arguments));
        Assert.Empty(trial.Error);
    }

    [Fact]
    public async Task A_value_of_env_is_never_repeated()
    {
        using var trial = new TrialSurroundings();

        await trial.RunAsync("run", "fix", "text", "--env", "9=hunter2-secret");

        Assert.DoesNotContain("hunter2", trial.Error + trial.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_at_all_shows_the_help_to_people_and_is_exit_code_2()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(2, await trial.RunAsync());
        Assert.Contains("Usage:", trial.Error, StringComparison.Ordinal);
        Assert.Empty(trial.Output);
    }

    [Theory]
    [InlineData("--", "--jsno")]
    [InlineData("-- what is this")]
    [InlineData("-")]
    [InlineData("@/etc/passwd")]
    [InlineData("/cost")]
    [InlineData("[diagram]")]
    public async Task A_prompt_may_begin_with_anything(params string[] words)
    {
        using var trial = new TrialSurroundings { };

        // It gets as far as the workflow, which does not exist.
        var code = await trial.RunAsync(["run", "nosuch", .. words]);

        Assert.Equal(2, code);
        Assert.DoesNotContain("(usage)", trial.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_without_a_message_at_a_terminal_asks_for_one()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(2, await trial.RunAsync("run", "fix"));
        Assert.Contains("(prompt_missing)", trial.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_of_an_unknown_workflow_names_it()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(2, await trial.RunAsync("run", "nosuch", "text", "--json"));
        using var document = JsonDocument.Parse(trial.Output);
        Assert.Equal("workflow_not_found", document.RootElement.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task An_unknown_run_is_exit_code_2()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(2, await trial.RunAsync("show", "zzzz"));
        Assert.Contains("(run_not_found)", trial.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_home_without_runs_has_an_empty_list()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(0, await trial.RunAsync("ps", "--json"));
        Assert.Equal("[]", trial.Output.Trim());
    }

    [Fact]
    public async Task An_unknown_setting_is_exit_code_2_whatever_the_command()
    {
        using var trial = new TrialSurroundings(("BERTH_HOEM", "/tmp"));

        Assert.Equal(2, await trial.RunAsync("ps"));
        Assert.Contains("BERTH_HOEM", trial.Error, StringComparison.Ordinal);
        Assert.Contains("(setting_unknown)", trial.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_version_is_on_standard_output()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(0, await trial.RunAsync("--version"));
        Assert.Matches(@"^\d+\.\d+\.\d+", trial.Output);
    }
}
