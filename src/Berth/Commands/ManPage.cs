using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Berth.Commands;

/// <summary>Manual pages, made from the commands, so that they say what the help says.</summary>
internal sealed class ManPage
{
    private const string Section = "1";
    private readonly StringBuilder text = new();

    private ManPage()
    {
    }

    /// <summary>The pages: name without a section, and text in roff.</summary>
    public static IReadOnlyList<(string Name, string Text)> All(RootCommand root, IReadOnlyList<CommandGroup> groups) =>
    [
        ("berth", OfProgram(root, groups)),
        .. groups.SelectMany(group => group.Commands).Where(command => !command.Hidden).SelectMany(Tree)
            .Select(command => (NameOf(command), Of(command))),
    ];

    /// <summary>A page's name: <c>berth-token-create</c>.</summary>
    public static string NameOf(Command command) => $"berth-{Path(command).Replace(' ', '-')}";

    private static IEnumerable<Command> Tree(Command command) => command.Subcommands.Prepend(command);

    private static string Path(Command command) =>
        command.Parents.OfType<Command>().FirstOrDefault() is { } parent and not RootCommand
            ? $"{parent.Name} {command.Name}"
            : command.Name;

    private static string OfProgram(RootCommand root, IReadOnlyList<CommandGroup> groups)
    {
        var page = new ManPage();
        page.Head("berth", root.Description!);
        page.Heading("SYNOPSIS");
        page.Bold("berth").Plain(" COMMAND [ARGUMENTS] [OPTIONS]").Line();
        page.Heading("DESCRIPTION");
        page.Text(root.Description!);
        foreach (var group in groups)
        {
            page.Request(".SS").Plain($" {group.Name}").Line();
            foreach (var command in group.Commands.Where(command => !command.Hidden))
            {
                page.Entry($"{NameOf(command)}({Section})", command.Description!);
            }
        }

        page.Heading("EXIT STATUS");
        foreach (var (code, meaning) in ExitCodes.Meanings)
        {
            page.Entry(code, meaning);
        }

        page.Heading("ENVIRONMENT");
        page.Text("Most of these can be set in $BERTH_HOME/berth.json too; berth doctor --settings shows what holds.");
        foreach (var setting in SettingsTable.All)
        {
            page.Entry(
                setting.Variable,
                $"{setting.Description} Expected: {setting.Range}. Default: {setting.Default}.");
        }

        page.Heading("FILES");
        page.Entry("$BERTH_HOME/berth.json", "The settings.");
        page.Entry("$BERTH_HOME/workflows/", "Workflows of one's own, each a folder.");
        page.Entry("$BERTH_HOME/runs/", "What runs have left: transcripts, artefacts, kept workspaces.");
        return page.text.ToString();
    }

    private static string Of(Command command)
    {
        var page = new ManPage();
        page.Head(NameOf(command), command.Description!);
        page.Heading("SYNOPSIS");
        page.Bold($"berth {Path(command)}");
        page.Plain(command.Subcommands.Count > 0 ? " [COMMAND]" : string.Empty);
        foreach (var argument in command.Arguments)
        {
            page.Plain(argument.Arity.MinimumNumberOfValues == 0 ? $" [{argument.Name}]" : $" {argument.Name}");
        }

        page.Plain(" [OPTIONS]").Line();
        page.Heading("DESCRIPTION");
        page.Text(command.Description!);
        page.Entries("COMMANDS", command.Subcommands.Where(inner => !inner.Hidden)
            .Select(inner => ($"{NameOf(inner)}({Section})", inner.Description!)));
        page.Entries("ARGUMENTS", command.Arguments.Select(each => (each.Name, each.Description ?? string.Empty)));
        page.Entries("OPTIONS", command.Options.Where(option => !option.Hidden).Select(Described)
            .Append(("-h, --help", "Shows the help.")));
        if (command is BerthCommand { Examples: { Count: > 0 } examples })
        {
            page.Heading("EXAMPLES");
            page.Request(".nf").Line();
            foreach (var example in examples)
            {
                page.Text(example);
            }

            page.Request(".fi").Line();
        }

        page.Heading("SEE ALSO");
        page.Bold("berth").Plain($"({Section}), which has the exit status and the environment").Line();
        return page.text.ToString();
    }

    private static (string Names, string About) Described(Option option)
    {
        var value = option.Arity.MaximumNumberOfValues > 0 ? $" {option.HelpName ?? "VALUE"}" : string.Empty;
        return (CommandHelp.NamesOf(option) + value, option.Description ?? string.Empty);
    }

    private void Head(string name, string about)
    {
        var version = typeof(ManPage).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()
            ?.InformationalVersion.Split('+')[0] ?? "0";
        text.Append(CultureInfo.InvariantCulture, $".TH \"{name.ToUpperInvariant()}\" {Section} \"\" ")
            .Append(CultureInfo.InvariantCulture, $"\"Berth {version}\" \"Berth\"\n");
        Heading("NAME");
        Plain($"{name} - {CommandHelp.FirstSentence(about).TrimEnd('.')}").Line();
    }

    private void Entries(string heading, IEnumerable<(string Name, string About)> entries)
    {
        var all = entries.ToList();
        if (all.Count == 0)
        {
            return;
        }

        Heading(heading);
        foreach (var (name, about) in all)
        {
            Entry(name, about);
        }
    }

    private void Heading(string name) => Request(".SH").Plain($" \"{name}\"").Line();

    private void Entry(string name, string about)
    {
        Request(".TP").Line();
        Bold(name).Line();
        Text(about);
    }

    private void Text(string words) => Plain(words).Line();

    private ManPage Bold(string words)
    {
        text.Append("\\fB").Append(Escaped(words)).Append("\\fR");
        return this;
    }

    private ManPage Plain(string words)
    {
        text.Append(Escaped(words));
        return this;
    }

    private ManPage Request(string name)
    {
        text.Append(name);
        return this;
    }

    private void Line() => text.Append('\n');

    /// <summary>A text that roff takes for nothing but text.</summary>
    /// <remarks>A backslash would begin an escape, a dot or quote at the beginning of a line a request; a plain dash
    /// becomes a hyphen, which nobody can copy into a shell. So each of these is written by its name.</remarks>
    internal static string Escaped(string words)
    {
        var escaped = words.Replace("\\", "\\e", StringComparison.Ordinal)
            .Replace("-", "\\-", StringComparison.Ordinal)
            .Replace("'", "\\(aq", StringComparison.Ordinal)
            .Replace("`", "\\(ga", StringComparison.Ordinal)
            .Replace("^", "\\(ha", StringComparison.Ordinal)
            .Replace("~", "\\(ti", StringComparison.Ordinal)
            .Replace("…", "...", StringComparison.Ordinal)
            .ReplaceLineEndings(" ");
        return escaped.StartsWith('.') ? $"\\&{escaped}" : escaped;
    }
}
