using System.Text.Json;

namespace Berth.Terminal;

/// <summary>What is essential in a tool call: the command, the path, the pattern.</summary>
internal static class ToolArgument
{
    private const int Longest = 400;

    private static readonly Dictionary<string, string> Essential = new(StringComparer.Ordinal)
    {
        ["Bash"] = "command",
        ["Read"] = "file_path",
        ["Write"] = "file_path",
        ["Edit"] = "file_path",
        ["MultiEdit"] = "file_path",
        ["NotebookEdit"] = "notebook_path",
        ["Glob"] = "pattern",
        ["Grep"] = "pattern",
        ["WebFetch"] = "url",
        ["WebSearch"] = "query",
        ["Task"] = "description",
        ["Agent"] = "description",
        ["Skill"] = "skill",
    };

    // For tools that are not known, the likely names first.
    private static readonly string[] Likely =
        ["command", "file_path", "path", "pattern", "url", "query", "name", "description"];

    /// <summary>One row of text; empty where there is nothing to say.</summary>
    /// <param name="tool">The tool's name.</param>
    /// <param name="input">What it was called with.</param>
    /// <param name="folder">The folder that the agent works in: paths in it are shown from there.</param>
    public static string Of(string tool, JsonElement input, string? folder)
    {
        var text = Known(tool, input)
            ?? Likely.Select(name => input.Text(name)).FirstOrDefault(value => value is not null)
            ?? FirstText(input);
        var isInside = folder is not null && text.StartsWith(folder + "/", StringComparison.Ordinal);
        var shown = isInside ? text[(folder!.Length + 1)..] : text;
        return Cells.Cut(SafeText.Row(shown.Trim()), Longest);
    }

    private static string? Known(string tool, JsonElement input) =>
        Essential.TryGetValue(tool, out var name) ? input.Text(name) : null;

    private static string FirstText(JsonElement input) => input.ValueKind == JsonValueKind.Object
        ? input.EnumerateObject().Where(member => member.Value.ValueKind == JsonValueKind.String)
            .Select(member => member.Value.GetString()).FirstOrDefault() ?? string.Empty
        : string.Empty;
}
