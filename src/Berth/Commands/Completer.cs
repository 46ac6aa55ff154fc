using System.CommandLine;

namespace Berth.Commands;

/// <summary>A word that can be typed next.</summary>
/// <param name="Word">The word.</param>
/// <param name="About">What it is, for shells that show it.</param>
internal sealed record Candidate(string Word, string About = "");

/// <summary>What can be typed next.</summary>
/// <param name="Candidates">The words.</param>
/// <param name="Paths">Whether the shell's own names of files fit there too.</param>
internal sealed record Completion(IReadOnlyList<Candidate> Candidates, CompletedPaths Paths = CompletedPaths.None);

/// <summary>Which paths can be typed.</summary>
internal enum CompletedPaths
{
    None,
    Files,
    Folders,
}

/// <summary>Says what can be typed next, from the commands themselves.</summary>
/// <param name="root">All commands.</param>
/// <param name="names">The names that are not in the commands: of runs, of workflows.</param>
internal sealed class Completer(Command root, ICompletedNames names)
{
    private const string DoubleDash = "--";

    /// <summary>Completes the last of the words, which may be empty.</summary>
    public Completion Complete(IReadOnlyList<string> words)
    {
        var place = new Place(root);
        foreach (var word in words.SkipLast(1))
        {
            place.Take(word);
        }

        var last = words is [.., var end] ? end : string.Empty;

        // Bash makes three words of --mode=local.
        last = last is "=" ? string.Empty : last;
        var found = place.Option is { } option ? Values(option, place.Command)
            : !place.HasEnded && last.StartsWith('-') ? OfOptions(place.Command, last)
            : OfArguments(place);
        return found with
        {
            Candidates = [.. found.Candidates.Where(
                each => each.Word.StartsWith(last, StringComparison.Ordinal))],
        };
    }

    private static Option? FindOption(Command command, string name) => command.Options.FirstOrDefault(option =>
        string.Equals(option.Name, name, StringComparison.Ordinal)
        || option.Aliases.Contains(name, StringComparer.Ordinal));

    private Completion OfOptions(Command command, string last)
    {
        var sign = last.IndexOf('=', StringComparison.Ordinal);
        if (sign > 0)
        {
            var name = last[..sign];
            var values = FindOption(command, name) is { } named ? Values(named, command) : new Completion([]);
            return new Completion([.. values.Candidates.Select(each => each with { Word = $"{name}={each.Word}" })]);
        }

        var options = command.Options.Where(option => !option.Hidden).Select(
            option => new Candidate(option.Name, CommandHelp.FirstSentence(option.Description ?? string.Empty)));
        return new Completion([.. options.Append(new Candidate("--help", "Show help"))
            .DistinctBy(each => each.Word, StringComparer.Ordinal)]);
    }

    private Completion OfArguments(Place place)
    {
        var command = place.Command;
        var inner = place.Arguments > 0 || place.HasEnded ? []
            : command.Subcommands.Where(each => !each.Hidden).Select(
                each => new Candidate(each.Name, CommandHelp.FirstSentence(each.Description ?? string.Empty)));
        var argument = place.Arguments < command.Arguments.Count ? command.Arguments[place.Arguments] : null;
        var values = argument is null ? new Completion([])
            : ValuesOf(argument.HelpName ?? argument.Name, command);
        return values with { Candidates = [.. inner, .. values.Candidates] };
    }

    private Completion Values(Option option, Command command) => option.Name switch
    {
        "--workflow" => new Completion(names.Workflows()),
        "--state" => new Completion([.. PsCommand.StateWords.Select(word => new Candidate(word))]),
        _ => ValuesOf(option.HelpName ?? string.Empty, command),
    };

    // What stands for a value in the help says what it is: words to choose from, or a kind.
    private Completion ValuesOf(string kind, Command command) => kind switch
    {
        "RUN" => new Completion(names.Runs(command.Name)),
        "WORKFLOW" => new Completion(names.Workflows()),
        "NAME" when command.Parents.Any(parent => parent.Name is "workflows") => new Completion(names.Workflows()),
        "COMMAND" => new Completion(
            [.. root.Subcommands.Where(each => !each.Hidden).Select(each => new Candidate(each.Name))]),
        "FILE" or "PATH" or "PATH|URL" or "HOST[:INSIDE][:rw]" => new Completion([], CompletedPaths.Files),
        "FOLDER" => new Completion([], CompletedPaths.Folders),
        _ when kind.Contains('|', StringComparison.Ordinal)
            && kind.All(letter => letter is '|' || char.IsAsciiLetterLower(letter)) =>
            new Completion([.. kind.Split('|').Select(word => new Candidate(word))]),
        _ => new Completion([]),
    };

    /// <summary>Where in the command line we are.</summary>
    private sealed class Place(Command root)
    {
        public Command Command { get; private set; } = root;

        /// <summary>The option that waits for its value.</summary>
        public Option? Option { get; private set; }

        /// <summary>How many arguments there were.</summary>
        public int Arguments { get; private set; }

        /// <summary>Whether there are no more options.</summary>
        public bool HasEnded { get; private set; }

        public void Take(string word)
        {
            if (Option is not null)
            {
                Option = word is "=" ? Option : null;
            }
            else if (HasEnded || !word.StartsWith('-') || word.Length == 1)
            {
                var inner = Arguments > 0 || HasEnded ? null : Command.Subcommands.FirstOrDefault(
                    each => string.Equals(each.Name, word, StringComparison.Ordinal));
                Command = inner ?? Command;
                Arguments += inner is null ? 1 : 0;
            }
            else if (word is DoubleDash)
            {
                HasEnded = true;
            }
            else
            {
                Option = FindOption(Command, word) is { Arity.MaximumNumberOfValues: > 0 } found ? found : null;
            }
        }
    }
}

/// <summary>Names that are not in the commands.</summary>
internal interface ICompletedNames
{
    /// <summary>Runs that a command can be about, the newest first.</summary>
    IReadOnlyList<Candidate> Runs(string command);

    /// <summary>The workflows.</summary>
    IReadOnlyList<Candidate> Workflows();
}
