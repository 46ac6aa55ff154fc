using System.Text.RegularExpressions;

namespace Berth.Engine.Claude;

/// <summary>The tools that a workflow's rules name, for those parts of the CLI that take names and not rules.</summary>
internal static class ToolNames
{
    private const string Mcp = "mcp__";

    // Those that work without a person at the CLI's own terminal.
    private static readonly string[] Askable =
        ["Bash", "Edit", "NotebookEdit", "Read", "Task", "WebFetch", "WebSearch", "Write"];

    /// <summary>The built-in tools that the rules name, each once, for <c>--tools</c>.</summary>
    public static IReadOnlyList<string> BuiltIn(IEnumerable<string> rules) =>
        [.. rules.SelectMany(Of).Where(name => !IsMcp(name)).Distinct(StringComparer.Ordinal)];

    /// <summary>The built-in tools that the agent is offered: those of the rules, and where somebody is asked those
    /// that can be asked for.</summary>
    public static IReadOnlyList<string> Offered(ClaudeInvocation i) => i.PermissionMode is PermissionMode.Ask
        ? [.. BuiltIn(i.AllowedTools).Union(Askable, StringComparer.Ordinal)]
        : BuiltIn(i.AllowedTools);

    /// <summary>A pattern, as the CLI's hooks take it, for every tool that no rule names.</summary>
    public static string Unlisted(IEnumerable<string> rules)
    {
        var listed = rules.SelectMany(Of).SelectMany(Patterns).Distinct(StringComparer.Ordinal);
        return $"^(?!(?:{string.Join('|', listed)})$)";
    }

    private static IEnumerable<string> Of(string rule)
    {
        var parenthesis = rule.IndexOf('(', StringComparison.Ordinal);
        var name = (parenthesis < 0 ? rule : rule[..parenthesis]).Trim();

        // For the CLI a rule Edit(docs/**) allows to write new files there too, but Edit alone does not.
        return name is "Edit" && parenthesis >= 0 ? [name, "Write"] : [name];
    }

    private static IEnumerable<string> Patterns(string name)
    {
        // The same tool: the CLI announces it as Task and offers it to the model as Agent.
        if (name is "Task" or "Agent")
        {
            return ["Task", "Agent"];
        }

        var pattern = Regex.Escape(name).Replace(@"\*", ".*", StringComparison.Ordinal);
        var isServer = IsMcp(name) && !name[Mcp.Length..].Contains("__", StringComparison.Ordinal);
        return [isServer ? $"{pattern}(?:__.*)?" : pattern];
    }

    private static bool IsMcp(string name) => name.StartsWith(Mcp, StringComparison.Ordinal);
}
