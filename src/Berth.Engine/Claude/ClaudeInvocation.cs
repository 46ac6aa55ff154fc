namespace Berth.Engine.Claude;

/// <summary>One call of the Claude Code CLI. All paths are as seen inside the sandbox.</summary>
internal sealed record ClaudeInvocation
{
    /// <summary>The CLI's native binary.</summary>
    public required string Claude { get; init; }

    /// <summary>The repository's top.</summary>
    public required string Workspace { get; init; }

    /// <summary>The folders below it that have instructions of their own.</summary>
    public IReadOnlyList<string> InstructionFolders { get; init; } = [];

    /// <summary>HOME; the CLI's own configuration goes into <c>.claude</c> below it.</summary>
    public required string Home { get; init; }

    /// <summary>The socket of the model gateway.</summary>
    public required string GatewaySocket { get; init; }

    /// <summary>A file that is appended to the system prompt, or null.</summary>
    public required string? SystemPromptFile { get; init; }

    /// <summary>A file with the workflow's MCP servers, or null.</summary>
    public required string? McpConfigFile { get; init; }

    /// <summary>The file that holds <see cref="ClaudeCommandLine.Settings"/>.</summary>
    public required string? SettingsFile { get; init; }

    /// <summary>A file with an earlier conversation that this one goes on with, or null. It is only read: the new
    /// conversation begins as a copy of it.</summary>
    public string? ConversationFile { get; init; }

    /// <summary>The id that Claude's conversation is to have, a UUID.</summary>
    public required string SessionId { get; init; }

    /// <summary>The tools that may be used: names, or rules as the CLI has them, for example <c>Bash(git
    /// *)</c>.</summary>
    public required IReadOnlyList<string> AllowedTools { get; init; }

    /// <summary>What happens to the others. Default: they are denied.</summary>
    public PermissionMode PermissionMode { get; init; } = PermissionMode.DontAsk;

    /// <summary>How far the repository's own configuration counts. Default: its instructions.</summary>
    public Trust Trust { get; init; } = Trust.Instructions;

    /// <summary>The model, or null for the CLI's own choice.</summary>
    public string? Model { get; init; }

    /// <summary>The most turns, or null for no limit.</summary>
    public int? MaxTurns { get; init; }

    /// <summary>The most money in US dollars, or null for no limit. It is checked after each answer, so it is passed by
    /// one.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>TMPDIR, or null for the system's own.</summary>
    public string? TempFolder { get; init; }
}
