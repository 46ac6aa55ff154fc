namespace Berth.Engine.Claude;

/// <summary>The MCP servers that had not started when the CLI began, and of which nothing was heard since.</summary>
/// <remarks>
/// The CLI waits half a minute for its servers and then begins without them. It has no event for a server that starts
/// later, so only a tool that answers, or a further <c>init</c>, takes the warning back.
/// </remarks>
internal sealed class PendingServers
{
    private const int Most = 50;
    private readonly List<string> pending = [];

    /// <summary>A sentence for each.</summary>
    public IEnumerable<string> Warnings => pending.Select(name =>
        $"The MCP server {name} had not started when Claude began (pending), and none of its tools was used.");

    /// <summary>What an <c>init</c> says of a server.</summary>
    public void Say(string name, bool isPending)
    {
        pending.Remove(name);
        if (isPending && pending.Count < Most)
        {
            pending.Add(name);
        }
    }

    /// <summary>A tool has answered.</summary>
    public void Answered(string tool) => pending.RemoveAll(name =>
        tool.StartsWith($"mcp__{Plain(name)}__", StringComparison.Ordinal));

    private static string Plain(string name) =>
        string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' ? c : '_'));
}
