using System.CommandLine;
using Berth.Commands;
using Xunit;

namespace Berth.Tests.Commands;

public sealed class HelpTests
{
    public static TheoryData<string> Commands()
    {
        using var trial = new TrialSurroundings();
        var root = CommandLine.Create(trial.Given);
        return new TheoryData<string>(root.Subcommands.SelectMany(command =>
            command.Subcommands.Select(inner => $"{command.Name} {inner.Name}").Prepend(command.Name)));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Every_command_has_help_with_an_example_of_itself(string command)
    {
        using var trial = new TrialSurroundings();

        var code = await trial.RunAsync([.. command.Split(' '), "--help"]);

        Assert.Equal(0, code);
        Assert.Empty(trial.Error);
        var examples = trial.Output[trial.Output.IndexOf("Examples:", StringComparison.Ordinal)..];
        Assert.Contains($"berth {command}", examples, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_command_and_option_is_described(string command)
    {
        using var trial = new TrialSurroundings();
        var found = CommandLine.Create(trial.Given).Parse($"{command} --help").CommandResult.Command;

        Assert.False(string.IsNullOrWhiteSpace(found.Description));
        Assert.All(
            found.Options.Concat<Symbol>(found.Arguments),
            symbol => Assert.False(string.IsNullOrWhiteSpace(symbol.Description), symbol.Name));
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Every_example_can_be_parsed(string command)
    {
        using var trial = new TrialSurroundings();
        var root = CommandLine.Create(trial.Given);
        var examples = root.Subcommands.SelectMany(top => top.Subcommands.Prepend(top)).OfType<BerthCommand>()
            .SelectMany(found => found.Examples)
            .Where(example => example.StartsWith($"berth {command}", StringComparison.Ordinal));

        Assert.All(examples, example =>
        {
            var words = example["berth ".Length..].Split(" | ")[0].Split(" < ")[0];
            Assert.Empty(root.Parse(words).Errors);
        });
    }

    [Fact]
    public async Task Help_is_given_although_something_is_missing()
    {
        using var trial = new TrialSurroundings();

        Assert.Equal(0, await trial.RunAsync("run", "--help"));
    }

    [Fact]
    public async Task The_command_for_hosts_is_not_offered_to_people()
    {
        using var trial = new TrialSurroundings();

        await trial.RunAsync("--help");

        Assert.DoesNotContain("host", trial.Output, StringComparison.Ordinal);
        Assert.Contains("berth demo", trial.Output, StringComparison.Ordinal);
    }
}
