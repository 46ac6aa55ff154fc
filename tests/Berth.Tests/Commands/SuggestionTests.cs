using Berth.Engine.Workflows;
using Xunit;

namespace Berth.Tests.Commands;

/// <summary>Fault 67: a slip of the finger is answered with what was meant.</summary>
public sealed class SuggestionTests
{
    public static TheoryData<string[], string> Slips => new()
    {
        { ["rnu"], "Did you mean run?" },
        { ["log", "abc"], "Did you mean logs?" },
        { ["cancle", "abc"], "Did you mean cancel?" },
        { ["workflows", "shwo", "fix"], "Did you mean show?" },
        { ["token", "creat"], "Did you mean create?" },
        { ["run", "fix", "text", "--jsno"], "Did you mean --json?" },
        { ["run", "fix", "text", "--model=opus", "--timout=3m"], "Did you mean --timeout?" },
        { ["ps", "--al"], "Did you mean --all?" },
        { ["ps", "-n5"], "Did you mean -n 5?" },
        { ["ps", "-aq"], "Did you mean -a -q?" },
        { ["ps", "--state", "runing"], "Did you mean running?" },
        { ["ps", "--format", "{{.titel}}"], "Did you mean title?" },
        { ["run", "implemnt", "text"], "Did you mean implement?" },
        { ["workflows", "show", "reviw"], "Did you mean review?" },
        { ["man", "dif"], "Did you mean berth-diff?" },
    };

    [Theory]
    [MemberData(nameof(Slips))]
    public async Task F67_A_slip_is_answered_with_what_was_meant(string[] arguments, string expected)
    {
        using var trial = new TrialSurroundings();
        WorkflowsOf(trial);

        Assert.Equal(2, await trial.RunAsync(arguments));
        Assert.Contains(expected, trial.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("BERTH_HOEM", "Did you mean BERTH_HOME?")]
    [InlineData("CLAUDE_LOCAL_CLEANPU", "Did you mean CLAUDE_LOCAL_CLEANUP?")]
    public async Task F67_A_slip_in_a_variable_is_answered_with_the_settings_name(string variable, string expected)
    {
        using var trial = new TrialSurroundings((variable, "x"));

        Assert.Equal(2, await trial.RunAsync("ps"));
        Assert.Contains(expected, trial.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F67_A_slip_in_the_file_of_settings_is_answered_with_the_key()
    {
        using var trial = new TrialSurroundings();
        Directory.CreateDirectory(trial.Home);
        await File.WriteAllTextAsync(
            Path.Combine(trial.Home, "berth.json"), "{\"maxConcurent\": 3}", TestContext.Current.CancellationToken);

        Assert.Equal(2, await trial.RunAsync("ps"));
        Assert.Contains("Did you mean maxConcurrent?", trial.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("xyzzy", "")]
    [InlineData("ps", "")]
    [InlineData("RUN", "run")]
    [InlineData("rnu", "run")]
    [InlineData("artefacts", "artifacts")]
    [InlineData("interupt", "interrupt")]
    [InlineData("workflow", "workflows")]
    public void F67_Only_what_is_near_is_named(string typed, string expected)
    {
        string[] names = ["run", "artifacts", "interrupt", "workflows"];

        Assert.Equal(expected, string.Join(' ', NearestName.Of(typed, names)));
    }

    [Fact]
    public void F67_A_word_of_any_length_is_compared_in_no_time() =>
        Assert.Empty(NearestName.Of(new string('a', 10_000_000), [new string('a', 10_000_000), "a"]));

    /// <summary>Gives a home the workflows that the program brings.</summary>
    internal static void WorkflowsOf(TrialSurroundings trial)
    {
        foreach (var name in (string[])["implement", "review"])
        {
            var folder = Directory.CreateDirectory(Path.Combine(trial.Home, "workflows", name)).FullName;
            File.WriteAllText(Path.Combine(folder, "prompt.md"), $"About {name}.\n");
            File.WriteAllText(Path.Combine(folder, "allowed_tools.json"), "[]");
        }
    }
}
