using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>A named recipe, read from its folder and valid.</summary>
internal sealed record Workflow
{
    /// <summary>The name of its folder: letters, digits, <c>_</c> and <c>-</c>, at most 64.</summary>
    public required string Name { get; init; }

    /// <summary>Its folder, an absolute path.</summary>
    public required string Folder { get; init; }

    /// <summary>The first line of <c>prompt.md</c> without the marks of a heading.</summary>
    public required string Description { get; init; }

    /// <summary>The whole of <c>prompt.md</c>, to be appended to the system prompt.</summary>
    public required string SystemPrompt { get; init; }

    /// <summary>The rules of <c>allowed_tools.json</c>, in order and each once. None means: no tool at all.</summary>
    public required IReadOnlyList<string> AllowedTools { get; init; }

    /// <summary>The text of <c>.mcp.json</c>, or null. Variables in it are for the CLI to fill in.</summary>
    public string? McpConfigJson { get; init; }

    /// <summary>Whether its folder holds more than the files of a workflow, such as the program of an MCP server.
    /// </summary>
    public bool HasOthers { get; init; }

    /// <summary>The variables of <c>.env</c>, in order. Their values count as secrets.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } =
        new OrderedDictionary<string, string>(StringComparer.Ordinal);

    /// <summary>What <c>workflow.json</c> says.</summary>
    public WorkflowSettings Settings { get; init; } = new();

    /// <summary>The text of <c>workflow.json</c>, or null.</summary>
    public string? SettingsJson { get; init; }

    /// <summary>
    /// The folders of the workflows of the same name that this one takes the place of, the nearest first.
    /// </summary>
    public IReadOnlyList<string> Shadows { get; init; } = [];
}

/// <summary>A workflow as a list shows it, valid or not.</summary>
/// <param name="Name">The name of its folder.</param>
/// <param name="Folder">Its folder, an absolute path.</param>
/// <param name="Description">The first line of its prompt; empty where it is not valid.</param>
/// <param name="Problem">Why it is not valid, or null.</param>
/// <param name="Shadows">The folders that it takes the place of, the nearest first.</param>
internal sealed record WorkflowListing(
    string Name,
    string Folder,
    string Description,
    Failure? Problem,
    IReadOnlyList<string> Shadows)
{
    /// <summary>Whether it can be run.</summary>
    public bool Valid => Problem is null;
}

/// <summary>Where workflows are looked for.</summary>
internal sealed record WorkflowOptions
{
    /// <summary>
    /// Absolute paths; a workflow in a later one takes the place of one in an earlier one. One that is not there is
    /// empty.
    /// </summary>
    public required IReadOnlyList<string> Folders { get; init; }

    /// <summary>The one of them whose workflows are refused where others than their owner may write them; null for
    /// none.</summary>
    public string? Guarded { get; init; }
}
