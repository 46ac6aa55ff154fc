using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>
/// Reads <c>allowed_tools.json</c>: a flat array of rules, <c>Read</c>, <c>Bash(git *)</c>, <c>mcp__server__tool</c>.
/// </summary>
internal static class ToolRules
{
    /// <summary>The most rules.</summary>
    public const int Most = 500;

    /// <summary>The longest rule in characters.</summary>
    public const int LongestRule = 1000;

    private const string Expected =
        "a tool rule: a tool's name, alone or with a pattern in parentheses, "
        + "such as \"Read\", \"Bash(git *)\" or \"mcp__server__tool\"";

    // Only to catch a wrong case: a name that stands not here is taken as it is, for a later CLI may know it.
    private static readonly Dictionary<string, string> Known = new[]
    {
        "Agent", "Bash", "Edit", "Glob", "Grep", "LS", "MultiEdit", "NotebookEdit", "NotebookRead", "Read", "Skill",
        "SlashCommand", "Task", "TodoWrite", "ToolSearch", "WebFetch", "WebSearch", "Write",
    }.ToDictionary(name => name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the rules, each once, in their order.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>, with the line of the bad rule.</exception>
    public static IReadOnlyList<string> Read(WorkflowText text)
    {
        var array = LocatedJson.Parse(text);
        var items = array.ItemsOr("a flat array of tool rules");
        return items.Count <= Most
            ? [.. items.Select(Rule).Distinct(StringComparer.Ordinal)]
            : throw text.Refuse(array.Index, "expected at most 500 tool rules, found more");
    }

    private static string Rule(LocatedJson value)
    {
        var rule = value.Kind == JsonTokenType.String ? value.Text : throw value.Refuse(Expected);
        var open = rule.IndexOf('(', StringComparison.Ordinal);
        var name = open < 0 ? rule : rule[..open];
        if (rule.Length > LongestRule || !IsName(name) || (open >= 0 && !IsPattern(rule.AsSpan(open))))
        {
            throw value.Refuse(Expected);
        }

        if (Known.TryGetValue(name, out var spelt) && !string.Equals(spelt, name, StringComparison.Ordinal))
        {
            throw value.Refuse($"\"{spelt}\", for upper and lower case count");
        }

        // Tried with the CLI: it heeds the patterns of Edit for Write too, and those of Write for nothing.
        return open < 0 || name is not "Write"
            ? rule
            : throw value.Refuse($"\"Edit{rule[open..]}\", for a pattern of Edit counts for Write too");
    }

    // MCP servers and tools may have dashes and dots, and `mcp__server__*` stands for all of a server's.
    private static bool IsName(string name) =>
        name is [var first, ..]
        && char.IsAsciiLetter(first)
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_' || (IsMcp(name) && IsMark(letter)));

    private static bool IsMark(char letter) => letter is '-' or '.' or '*';

    private static bool IsMcp(string name) => name.StartsWith("mcp__", StringComparison.Ordinal);

    private static bool IsPattern(ReadOnlySpan<char> pattern)
    {
        if (pattern is not ['(', _, .., ')'])
        {
            return false;
        }

        foreach (var letter in pattern)
        {
            if (char.IsControl(letter))
            {
                return false;
            }
        }

        return !pattern[1..^1].IsWhiteSpace();
    }
}
