using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>What kind of call the CLI says that a request is.</summary>
/// <remarks>
/// With <c>CLAUDE_CODE_GATEWAY_HINT_HEADERS</c> each request says so: <c>main</c>, <c>subagent</c>, <c>workflow</c>,
/// <c>compaction</c>, <c>auxiliary</c> (titles, classifiers) or <c>side_reply</c>. A turn is an answer in the main
/// conversation, so only <c>main</c> is one. Other programs inside can write any header: turns are a limit for the
/// CLI, and tokens and money are what holds against everything else.
/// </remarks>
internal static class RequestClass
{
    /// <summary>The CLI sends it with each request where it is asked to.</summary>
    public const string Header = "x-claude-code-request-class";

    /// <summary>The CLI sends it with the calls of its subagents.</summary>
    public const string AgentHeader = "x-claude-code-agent-id";

    private const string Main = "main";

    /// <summary>Whether a whole answer to the request is a turn.</summary>
    public static bool IsTurn(IHeaderDictionary headers) =>
        headers.TryGetValue(Header, out var said)
            ? string.Equals(said.ToString(), Main, StringComparison.Ordinal)
            : !headers.ContainsKey(AgentHeader);
}
