namespace Berth.Engine.Runs;

/// <summary>What the agent of a run is to be given, while the run waits in a shared database for a server to take
/// it.</summary>
/// <param name="Input">The lines for the agent's standard input.</param>
/// <param name="SystemPrompt">The workflow's prompt, or null.</param>
/// <param name="McpConfig">The workflow's MCP servers, or null.</param>
/// <param name="Environment">Its variables. The model's credentials are never in here: each server has its own.</param>
internal sealed record WaitingFiles(
    byte[] Input, string? SystemPrompt, string? McpConfig, Dictionary<string, string> Environment);
