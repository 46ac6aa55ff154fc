using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Commands;

/// <summary>The command line as a whole: its commands, its help, and how bad usage is answered.</summary>
internal static class CommandLine
{
    /// <summary>The option for programs.</summary>
    public const string Json = "--json";

    private const string DoubleDash = "--";

    // The words of a prompt are never options in one letter, nor files to be read in its place.
    private static readonly ParserConfiguration Parsing = new()
    {
        EnablePosixBundling = false,
        ResponseFileTokenReplacer = null,
    };

    /// <summary>Parses, runs and gives the exit code.</summary>
    public static Task<int> RunAsync(Surroundings surroundings, IReadOnlyList<string> arguments) =>
        CommandBoundary.RunAsync(surroundings, IsJson(arguments), () => ParseAndRunAsync(surroundings, arguments));

    private static async Task<int> ParseAndRunAsync(Surroundings surroundings, IReadOnlyList<string> arguments)
    {
        var parsed = Create(surroundings).Parse(arguments, Parsing);
        var isHelp = parsed.Action is CommandHelp;
        if (!isHelp && (parsed.Errors.Count > 0 || UnknownOption(parsed) is not null))
        {
            return Refuse(surroundings, parsed, arguments);
        }

        var streams = surroundings.Streams;
        return await parsed.InvokeAsync(new InvocationConfiguration
        {
            Output = streams.Output,
            Error = streams.Error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        });
    }

    /// <summary>Whether a result for programs was asked for; for where the words cannot be parsed.</summary>
    public static bool IsJson(IEnumerable<string> arguments) =>
        arguments.TakeWhile(word => word is not DoubleDash).Contains(Json, StringComparer.Ordinal);

    /// <summary>All commands.</summary>
    public static RootCommand Create(Surroundings surroundings)
    {
        var groups = CommandGroup.All(surroundings);
        var root = new RootCommand(
            "Runs Claude Code on git repositories, unattended, in a sandbox, and leaves a branch with the work.");
        foreach (var command in groups.SelectMany(group => group.Commands))
        {
            root.Add(command);
        }

        root.Add(HostCommand.Create(surroundings));
        root.Add(CompletionCommand.CreateAsking(surroundings, () => root));
        root.Directives.Clear();
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new CommandHelp((SynchronousCommandLineAction)help.Action!, groups, surroundings.Streams.Width);
        return root;
    }

    // A word like --jsno would otherwise become the prompt, and a run would be paid for it.
    private static string? UnknownOption(ParseResult parsed)
    {
        var texts = parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Concat(parsed.CommandResult.Tokens).ToList();
        return parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash)
            .Where(token => token.Type == TokenType.Argument && LooksLikeOption(token.Value))
            .FirstOrDefault(token => texts.Exists(text => ReferenceEquals(text, token))
                || parsed.UnmatchedTokens.Contains(token.Value, StringComparer.Ordinal))
            ?.Value;
    }

    private static bool LooksLikeOption(string word) =>
        word.Length > 1 && word[0] == '-' && !word.Any(char.IsWhiteSpace);

    private static int Refuse(Surroundings surroundings, ParseResult parsed, IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0)
        {
            return HelpInstead(surroundings);
        }

        var command = parsed.CommandResult.Command;
        var path = command is RootCommand ? "berth" : $"berth {PathOf(command)}";
        var message = UnknownOption(parsed) is { } option ? NoOption(option, command)
            : UnknownCommand(parsed) is { } word ? NoCommand(word, command)
            : string.Join(" ", parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal));
        var failure = new Failure("usage", message, $"{path} --help shows how it is used.", Fault.User);
        return FailureReport.Show(surroundings, failure, IsJson(arguments));
    }

    private static string NoOption(string word, Command command)
    {
        // Letters that are written together, or with their value, are not taken apart: a prompt may begin like that.
        var names = command.Options.Where(option => !option.Hidden)
            .SelectMany(option => option.Aliases.Append(option.Name)).Append("--help").ToList();
        var rest = word.Length > 2 && word[1] != '-' && names.Contains(word[..2], StringComparer.Ordinal)
            ? word[2..]
            : null;
        var dash = rest is not null && names.Contains($"-{rest[0]}", StringComparer.Ordinal) ? "-" : string.Empty;
        var letter = rest is null ? null : $" Did you mean {word[..2]} {dash}{rest}?";
        return $"There is no option {word}.{letter ?? NearestName.Question(word.Split('=')[0], names)} "
            + "If it is meant as text, write -- in front of it.";
    }

    private static string NoCommand(string word, Command command)
    {
        var names = command.Subcommands.Where(inner => !inner.Hidden).Select(inner => inner.Name).ToList();
        return $"There is no command {(command is RootCommand ? string.Empty : $"{PathOf(command)} ")}{word}."
            + NearestName.Question(word, names);
    }

    // Where a command has commands of its own and takes nothing else, a word that is none of them is a slip.
    private static string? UnknownCommand(ParseResult parsed) =>
        parsed.CommandResult.Command is { Subcommands.Count: > 0, Arguments.Count: 0 }
            && parsed.UnmatchedTokens is [var first, ..]
            ? first
            : null;

    // Nothing was asked for: that is an error for a script, and for a person a question.
    private static int HelpInstead(Surroundings surroundings)
    {
        var error = surroundings.Streams.Error;
        Create(surroundings).Parse(["--help"], Parsing)
            .Invoke(new InvocationConfiguration { Output = error, Error = error });
        return ExitCodes.Usage;
    }

    private static string PathOf(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand
            ? $"{parent.Name} {command.Name}"
            : command.Name;
}
