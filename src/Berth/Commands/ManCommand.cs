using System.CommandLine;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth man</c>: the manual pages.</summary>
internal static class ManCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var page = new Argument<string[]>("COMMAND")
        {
            Description = "The command whose page is printed. Default: the program's.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var output = new Option<string?>("--output", "-o")
        {
            Description = "Write all pages into this folder, such as ~/.local/share/man/man1.",
            HelpName = "FOLDER",
        };
        var command = new BerthCommand(
            "man",
            "Prints a manual page, or writes all of them.",
            "berth man run | man -l -",
            "berth man --output ~/.local/share/man/man1")
        {
            page,
            output,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(output) is not null && result.GetValue(page) is { Length: > 0 })
            {
                result.AddError("--output writes all pages; leave out COMMAND.");
            }
        });
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, () =>
        {
            var pages = ManPage.All(CommandLine.Create(surroundings), CommandGroup.All(surroundings));
            if (parsed.GetValue(output) is { } folder)
            {
                Write(pages, folder, surroundings);
            }
            else
            {
                surroundings.Print(Find(pages, parsed.GetValue(page) ?? []).TrimEnd('\n'));
            }

            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    private static string Find(IReadOnlyList<(string Name, string Text)> pages, string[] words)
    {
        var name = string.Join('-', words.Prepend("berth"));
        var found = pages.FirstOrDefault(page => string.Equals(page.Name, name, StringComparison.Ordinal));
        return found.Text ?? throw new FailureException(
            "usage",
            $"There is no page {name}.{NearestName.Question(name, pages.Select(page => page.Name))}",
            "berth --help lists the commands.",
            Fault.User);
    }

    private static void Write(
        IReadOnlyList<(string Name, string Text)> pages, string folder, Surroundings surroundings)
    {
        var full = Path.GetFullPath(folder, surroundings.CurrentDirectory);
        try
        {
            Directory.CreateDirectory(full);
            foreach (var (name, text) in pages)
            {
                File.WriteAllText(Path.Combine(full, $"{name}.1"), text);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "file_unwritable", $"{folder} could not be written: {refused.Message}", "Name another folder.",
                Fault.User, refused);
        }

        surroundings.Screen(onError: true).Write(Line.Of($"wrote {pages.Count} pages to {folder}"));
    }
}
