using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
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
        var isHelp = parsed.Action is HelpWithExamples;
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
        var root = new RootCommand(
            "Runs Claude Code on git repositories, unattended, in a sandbox, and leaves a branch with the work.")
        {
            RunCommand.Create(surroundings),
            PsCommand.Create(surroundings),
            ShowCommand.Create(surroundings),
            LogsCommand.Create(surroundings),
            DiffCommand.Create(surroundings),
            AttachCommand.Create(surroundings),
            SendCommand.Create(surroundings),
            InterruptCommand.Create(surroundings),
            DecisionCommand.Approve(surroundings),
            DecisionCommand.Deny(surroundings),
            ArtifactsCommand.Create(surroundings),
            DeliverCommand.Create(surroundings),
            CancelCommand.Create(surroundings),
            CleanupCommand.Create(surroundings),
            WorkflowsCommand.Create(surroundings),
            BudgetCommand.Create(surroundings),
            DoctorCommand.Create(surroundings),
            ImageCommand.Create(surroundings),
            DemoCommand.Create(surroundings),
            ServeCommand.Create(surroundings),
            DrainCommand.Create(surroundings),
            TokenCommand.Create(surroundings),
            HostCommand.Create(surroundings),
        };
        root.Directives.Clear();
        var help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((SynchronousCommandLineAction)help.Action!);
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
        var message = UnknownOption(parsed) is { } word
            ? $"There is no option {word}. If it is meant as text, write -- in front of it."
            : string.Join(" ", parsed.Errors.Select(error => error.Message).Distinct(StringComparer.Ordinal));
        var failure = new Failure("usage", message, $"{path} --help shows how it is used.", Fault.User);
        return FailureReport.Show(surroundings, failure, IsJson(arguments));
    }

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

    /// <summary>The usual help, and below it what people can type.</summary>
    private sealed class HelpWithExamples(SynchronousCommandLineAction usual) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            var code = usual.Invoke(parseResult);
            var examples = parseResult.CommandResult.Command is BerthCommand command ? command.Examples : RootExamples;
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
            {
                output.WriteLine("  " + example);
            }

            return code;
        }

        private static IReadOnlyList<string> RootExamples =>
        [
            "berth demo                                 see it work, without a key",
            "berth run fix \"the login test fails\"       work on the repository of this folder",
            "berth ps                                   what runs, and what ran",
        ];
    }
}
