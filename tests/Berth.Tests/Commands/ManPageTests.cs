using Berth.Commands;
using Xunit;

namespace Berth.Tests.Commands;

/// <summary>Fault 67: each command has a manual page, made from itself.</summary>
public sealed class ManPageTests
{
    [Fact]
    public async Task F67_All_pages_are_written_and_groff_has_nothing_to_say_of_them()
    {
        using var trial = new TrialSurroundings();
        Assert.Equal(0, await trial.RunAsync("man", "--output", "man1"));
        var folder = Path.Combine(trial.Folder, "man1");
        var root = CommandLine.Create(trial.Given);
        var commands = root.Subcommands.Where(command => !command.Hidden)
            .SelectMany(command => command.Subcommands.Prepend(command));

        Assert.Equal(
            commands.Select(command => $"{ManPage.NameOf(command)}.1").Append("berth.1").Order(StringComparer.Ordinal),
            Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        if (CompletionTests.Find("groff") is not { } groff)
        {
            // Not every machine has it; those of developers do.
            return;
        }

        foreach (var page in Directory.EnumerateFiles(folder))
        {
            var (code, output, error) = await CompletionTests.RunAsync(groff, "-man", "-Tascii", "-ww", "-z", page);
            Assert.True(code == 0 && error.Length == 0, $"{page}: {error}{output}");
        }
    }

    [Fact]
    public async Task F67_A_page_has_each_option_and_each_example_as_it_is_typed()
    {
        using var trial = new TrialSurroundings();
        Assert.Equal(0, await trial.RunAsync("man", "run"));
        var run = CommandLine.Create(trial.Given).Subcommands.Single(command => command.Name is "run");

        Assert.All(
            run.Options,
            option => Assert.Contains(ManPage.Escaped(option.Name), trial.Output, StringComparison.Ordinal));
        Assert.All(
            ((BerthCommand)run).Examples,
            example => Assert.Contains($"\n{ManPage.Escaped(example)}\n", trial.Output, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-a \\x", "\\-a \\ex")]
    [InlineData(".TH", "\\&.TH")]
    [InlineData("'so /etc/passwd", "\\(aqso /etc/passwd")]
    [InlineData("a\n.SH b", "a .SH b")]
    public void F67_A_text_is_nothing_but_text_to_roff(string text, string expected) =>
        Assert.Equal(expected, ManPage.Escaped(text));
}
