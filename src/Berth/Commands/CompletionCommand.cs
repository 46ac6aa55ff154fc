using System.CommandLine;
using System.Text;

namespace Berth.Commands;

/// <summary><c>berth completion</c>: what makes a shell complete Berth's commands.</summary>
internal static class CompletionCommand
{
    private const string Asking = "complete";

    public static Command Create(Surroundings surroundings)
    {
        var shell = new Argument<string>("SHELL")
        {
            Description = "Which shell: bash, zsh or fish.",
            HelpName = "bash|zsh|fish",
        };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new BerthCommand(
            "completion",
            "Prints what makes a shell complete commands, options, workflows and runs.",
            "source <(berth completion bash)",
            "source <(berth completion zsh)",
            "berth completion fish | source")
        {
            shell,
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, () =>
        {
            surroundings.Print(CompletionScripts.Of(parsed.GetRequiredValue(shell)).TrimEnd('\n'));
            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }

    /// <summary>The command by which the scripts ask: a line for each candidate, its word, a tab and what it is; and
    /// in the end one of <c>:files</c>, <c>:folders</c> and <c>:none</c>.</summary>
    public static Command CreateAsking(Surroundings surroundings, Func<Command> root)
    {
        var words = new Argument<string[]>("WORDS")
        {
            Description = "What was typed behind berth; the last word is completed.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var command = new BerthCommand(
            Asking, "Says what can be typed next. Shells ask it.", "berth complete -- ps --sta")
        {
            words,
        };
        command.Hidden = true;
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, () =>
        {
            var found = new Completer(root(), new CompletedNames(surroundings))
                .Complete(parsed.GetValue(words) ?? []);
            var text = new StringBuilder();
            foreach (var (word, about) in found.Candidates)
            {
                text.Append(word).Append('\t').Append(about).Append('\n');
            }

            surroundings.Print(text.Append(':').Append(found.Paths.ToString().ToLowerInvariant()).ToString());
            return Task.FromResult(ExitCodes.Succeeded);
        }));
        return command;
    }
}
