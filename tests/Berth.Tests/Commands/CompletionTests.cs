using System.Diagnostics;
using Berth.Commands;
using Xunit;

namespace Berth.Tests.Commands;

/// <summary>Fault 67: shells complete commands, options, workflows and runs.</summary>
public sealed class CompletionTests
{
    [Theory]
    [InlineData("ru", "run")]
    [InlineData("workflows ", "show")]
    [InlineData("token cr", "create")]
    [InlineData("ps --sta", "--state")]
    [InlineData("ps --state stopp", "stopping")]
    [InlineData("ps -s stopp", "stopping")]
    [InlineData("ps --state = stopp", "stopping")]
    [InlineData("ps --state=stopp", "--state=stopping")]
    [InlineData("ps --workflow rev", "review")]
    [InlineData("run imp", "implement")]
    [InlineData("run implement --mode lo", "local")]
    [InlineData("run --model opus imp", "implement")]
    [InlineData("run --model imp", "")]
    [InlineData("run implement --continue abc", "abcd1234")]
    [InlineData("workflows show rev", "review")]
    [InlineData("show abc", "abcd1234")]
    [InlineData("cancel abc", "abcd1234")]
    [InlineData("show abcd1234 abc", "")]
    [InlineData("completion f", "fish")]
    [InlineData("diff --color al", "always")]
    [InlineData("man dif", "diff")]
    [InlineData("run -- imp", "implement")]
    [InlineData("nosuch ", "")]
    [InlineData("hos", "")]
    [InlineData("compl", "completion")]
    public void F67_What_was_typed_is_completed(string typed, string expected)
    {
        using var trial = new TrialSurroundings();
        var found = new Completer(CommandLine.Create(trial.Given), new Names()).Complete(typed.Split(' '));

        Assert.Equal(expected, string.Join(' ', found.Candidates.Select(each => each.Word)));
    }

    [Theory]
    [InlineData("run implement --file ", "Files")]
    [InlineData("run implement --repo ", "Files")]
    [InlineData("artifacts abc --output ", "Files")]
    [InlineData("man --output ", "Folders")]
    [InlineData("ps ", "None")]
    public void F67_Where_a_file_fits_the_shell_completes_it(string typed, string expected)
    {
        using var trial = new TrialSurroundings();
        var found = new Completer(CommandLine.Create(trial.Given), new Names()).Complete(typed.Split(' '));

        Assert.Equal(expected, found.Paths.ToString());
    }

    [Fact]
    public async Task F67_Completing_makes_nothing_and_complains_of_nothing()
    {
        using var trial = new TrialSurroundings(("BERTH_NO_SUCH_SETTING", "1"));

        Assert.Equal(0, await trial.RunAsync("complete", "--", "show", ""));
        Assert.Equal(":none", trial.Output.Trim());
        Assert.Empty(trial.Error);
        Assert.False(Directory.Exists(trial.Home));
    }

    [Theory]
    [InlineData("bash", "bash", "-n")]
    [InlineData("zsh", "zsh", "-n")]
    [InlineData("fish", "fish", "--no-execute")]
    public async Task F67_Each_script_is_one_that_its_shell_can_read(string shell, string program, string check)
    {
        using var trial = new TrialSurroundings();
        Assert.Equal(0, await trial.RunAsync("completion", shell));
        var path = Find(program);
        if (path is null && shell is not "bash")
        {
            // Not every machine has all shells; bash is everywhere.
            return;
        }

        var file = Path.Combine(trial.Folder, "script");
        await File.WriteAllTextAsync(file, trial.Output, TestContext.Current.CancellationToken);
        var (code, _, error) = await RunAsync(path!, check, file);

        Assert.True(code == 0, error);
    }

    [Fact]
    public async Task F67_Bash_shows_what_the_program_answers_and_runs_none_of_it()
    {
        using var trial = new TrialSurroundings();
        Assert.Equal(0, await trial.RunAsync("completion", "bash"));
        var program = Path.Combine(trial.Folder, "berth");
        await File.WriteAllTextAsync(
            program,
            """
            #!/bin/bash
            printf '%s|' "$@" > "${0%/*}/asked"
            printf 'abcd1234\tfix: $(touch %s/run)\n$(touch %s/run)\tx\n:none\n' "${0%/*}" "${0%/*}"
            """,
            TestContext.Current.CancellationToken);
        File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
        var script = trial.Output + $$"""

            COMP_WORDS=({{program}} show --json '')
            COMP_CWORD=3
            _berth
            printf '%s\n' "${COMPREPLY[0]}" "${#COMPREPLY[@]}"
            """;
        var file = Path.Combine(trial.Folder, "script");
        await File.WriteAllTextAsync(file, script, TestContext.Current.CancellationToken);
        var (code, output, error) = await RunAsync(Find("bash")!, file);

        Assert.True(code == 0, error);
        Assert.Equal(["abcd1234", "2"], output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal("complete|--|show|--json||", await File.ReadAllTextAsync(
            Path.Combine(trial.Folder, "asked"), TestContext.Current.CancellationToken));
        Assert.False(File.Exists(Path.Combine(trial.Folder, "run")));
    }

    /// <summary>A program of this machine, or null.</summary>
    internal static string? Find(string program) => Environment.GetEnvironmentVariable("PATH")!.Split(':')
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end.</summary>
    internal static async Task<(int Code, string Output, string Error)> RunAsync(
        string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken)
            .WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        return (process.ExitCode, await output, await error);
    }

    private sealed class Names : ICompletedNames
    {
        public IReadOnlyList<Candidate> Runs(string command) => [new("abcd1234"), new("efgh5678")];

        public IReadOnlyList<Candidate> Workflows() => [new("implement"), new("review")];
    }
}
