using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>Which headers of the agent's are forwarded, and which betas of the API it may switch on.</summary>
/// <remarks>
/// Allow-lists, and what is not on them is left out in silence or, for betas, with a note. Left out and not refused,
/// so that the next version of the CLI works: without a beta the API refuses the fields that need it, and the CLI then
/// does without.
/// </remarks>
internal static class RequestHeaders
{
    private const string Beta = "anthropic-beta";
    private const string Stainless = "x-stainless-";
    private const int LongestValue = 1024;
    private const int MostBetas = 64;

    private static readonly HashSet<string> Forwarded = new(StringComparer.OrdinalIgnoreCase)
    {
        "User-Agent", "anthropic-version", "anthropic-dangerous-direct-browser-access", "x-app",
        "x-client-request-id", "x-claude-code-session-id", RequestClass.AgentHeader, "x-claude-code-parent-agent-id",
        "x-claude-code-auxiliary-type", "x-anthropic-additional-protection",
    };

    // By name, whatever the date: a new date changes how the same thing is asked for, and the fields that ask are
    // judged on their own. None of these makes the service fetch, store or start anything.
    private static readonly HashSet<string> Betas = new(StringComparer.Ordinal)
    {
        "advanced-tool-use", "afk-mode", "auto-mode-classifier", "cache-diagnosis", "claude-code",
        "claude-code-side-query", "compact", "computer-use", "context-1m", "context-hint", "context-management",
        "dangerous-tool-use", "dev-full-thinking", "effort", "extended-cache-ttl", "fallback-credit", "fast-mode",
        "fine-grained-tool-streaming", "inline-tools", "interleaved-thinking", "mid-conversation-system",
        "mid-conversation-system-clear-at", "mid-conversation-tool-changes", "model-context-window-exceeded", "oauth",
        "output-128k", "per-turn-control", "prompt-caching", "prompt-caching-evict", "prompt-caching-scope",
        "redact-thinking", "request-tags", "search-results", "server-side-fallback", "structured-outputs",
        "summarize-connector-text", "task-budgets", "thinking-binding-controls", "thinking-display-updates",
        "thinking-resumption", "thinking-token-count", "timing", "token-counting", "token-efficient-tools",
        "tool-examples", "tool-search-tool",
    };

    /// <summary>Writes what is forwarded of a request's headers.</summary>
    /// <param name="from">The agent's.</param>
    /// <param name="policy">What the run may.</param>
    /// <param name="write">Takes a header.</param>
    /// <param name="dropped">Takes a beta that was left out.</param>
    public static void Filter(
        IHeaderDictionary from, GatewayPolicy policy, Action<string, string> write, Action<string> dropped)
    {
        foreach (var (name, values) in from)
        {
            var value = string.Join(", ", values.AsEnumerable());
            if (IsForwarded(name) && value.Length <= LongestValue && value.All(IsPlain))
            {
                write(name, value);
            }
        }

        var kept = new List<string>();
        foreach (var beta in BetasOf(from))
        {
            if (policy.MayFetch || IsKnown(beta, policy))
            {
                kept.Add(beta);
            }
            else
            {
                dropped(beta);
            }
        }

        if (kept.Count > 0)
        {
            write(Beta, string.Join(',', kept));
        }
    }

    private static IEnumerable<string> BetasOf(IHeaderDictionary from) => string.Join(',', from[Beta].AsEnumerable())
        .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        .Where(beta => beta.Length <= LongestValue / 8 && beta.All(IsBetaLetter))
        .Distinct(StringComparer.Ordinal)
        .Take(MostBetas);

    private static bool IsKnown(string beta, GatewayPolicy policy)
    {
        var name = NameOf(beta);
        return Betas.Contains(name)
            || policy.ServerTools.Any(tool => string.Equals(tool.Replace('_', '-'), name, StringComparison.Ordinal));
    }

    // effort-2025-11-24, claude-code-20250219
    private static string NameOf(string beta)
    {
        var end = beta.AsSpan().TrimEnd("0123456789-").Length;
        return end < beta.Length && beta[end] == '-' ? beta[..end] : beta;
    }

    private static bool IsForwarded(string name) =>
        Forwarded.Contains(name) || name.StartsWith(Stainless, StringComparison.OrdinalIgnoreCase);

    private static bool IsPlain(char letter) => letter is >= ' ' and < (char)127;

    private static bool IsBetaLetter(char letter) => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.';
}
