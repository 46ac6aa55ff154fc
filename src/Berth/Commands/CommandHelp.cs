using System.CommandLine;
using System.CommandLine.Invocation;

namespace Berth.Commands;

/// <summary>The help: the usual one, with what people can type below it; of the program, its groups.</summary>
/// <param name="usual">The usual help.</param>
/// <param name="groups">The commands in their groups.</param>
/// <param name="width">The columns that there are.</param>
internal sealed class CommandHelp(
    SynchronousCommandLineAction usual, IReadOnlyList<CommandGroup> groups, Func<int> width)
    : SynchronousCommandLineAction
{
    private const int NameWidth = 13;
    private const string Margin = "  ";

    private static IReadOnlyList<string> RootExamples =>
    [
        "berth demo                                 see it work, without a key",
        "berth run fix \"the login test fails\"       work on the repository of this folder",
        "berth ps                                   what runs, and what ran",
    ];

    public override int Invoke(ParseResult parseResult)
    {
        var output = parseResult.InvocationConfiguration.Output;
        var command = parseResult.CommandResult.Command;
        var code = 0;
        if (command is RootCommand root)
        {
            WriteGroups(root, output);
        }
        else
        {
            code = usual.Invoke(parseResult);
        }

        output.WriteLine("Examples:");
        foreach (var example in command is BerthCommand { Examples: var own } ? own : RootExamples)
        {
            output.WriteLine(Margin + example);
        }

        return code;
    }

    /// <summary>The first sentence of a description: all that a list has room for.</summary>
    public static string FirstSentence(string text)
    {
        var end = text.IndexOfAny(['.', ':']);
        while (end >= 0 && end + 1 < text.Length && text[end + 1] != ' ')
        {
            end = text.IndexOfAny(['.', ':'], end + 1);
        }

        return end < 0 ? text : text[..end] + ".";
    }

    /// <summary>The names of an option, the short ones first; those of another system's habit are left out.</summary>
    public static string NamesOf(Option option) => string.Join(", ", option.Aliases.Append(option.Name)
        .Where(name => name.StartsWith('-') && name is not "-?").OrderBy(name => name.Length));

    private static IEnumerable<string> Wrapped(string text, int width)
    {
        var row = string.Empty;
        foreach (var word in text.Split(' '))
        {
            if (row.Length > 0 && row.Length + word.Length >= width)
            {
                yield return row;
                row = string.Empty;
            }

            row += row.Length == 0 ? word : $" {word}";
        }

        yield return row;
    }

    private void WriteGroups(RootCommand root, TextWriter output)
    {
        output.WriteLine(root.Description);
        output.WriteLine();
        output.WriteLine("Usage:");
        output.WriteLine(Margin + "berth COMMAND [ARGUMENTS] [OPTIONS]");
        output.WriteLine(Margin + "berth COMMAND --help");
        var room = Math.Max(width() - NameWidth - Margin.Length, NameWidth);
        foreach (var group in groups)
        {
            output.WriteLine();
            output.WriteLine($"{group.Name}:");
            foreach (var command in group.Commands.Where(command => !command.Hidden))
            {
                var name = command.Name;
                foreach (var row in Wrapped(FirstSentence(command.Description!), room))
                {
                    output.WriteLine(Margin + name.PadRight(NameWidth) + row);
                    name = string.Empty;
                }
            }
        }

        output.WriteLine();
        output.WriteLine("Options:");
        foreach (var option in root.Options)
        {
            output.WriteLine(Margin + NamesOf(option).PadRight(NameWidth + Margin.Length) + option.Description);
        }

        output.WriteLine();
    }
}
