using Berth.Engine.Claude;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Variables that Claude Code goes by and that the operator has set for himself: what Berth does with
/// them.</summary>
/// <remarks>
/// An agent gets none of the operator's environment. What Berth honours are settings of its own of the same name; what
/// it does not is named to the user, so that nobody looks in vain for what a variable should have done.
/// </remarks>
internal static class OperatorVariables
{
    private const int MostNamed = 20;

    private static readonly string[] Prefixes = ["ANTHROPIC_", "CLAUDE_CODE_", "CLAUDE_"];

    private static readonly HashSet<string> WithoutPrefix = new(StringComparer.Ordinal)
    {
        "API_TIMEOUT_MS", "BASH_DEFAULT_TIMEOUT_MS", "BASH_MAX_OUTPUT_LENGTH", "BASH_MAX_TIMEOUT_MS",
        "DISABLE_AUTO_COMPACT", "DISABLE_COMPACT", "DISABLE_PROMPT_CACHING", "DISABLE_PROMPT_CACHING_HAIKU",
        "DISABLE_PROMPT_CACHING_OPUS", "DISABLE_PROMPT_CACHING_SONNET", "MAX_MCP_OUTPUT_TOKENS",
        "MAX_THINKING_TOKENS", "MCP_TIMEOUT", "MCP_TOOL_TIMEOUT",
    };

    // Settings of ours, and what a Claude Code that Berth was started from says of itself to its children.
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_MODEL", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_MODE", "CLAUDE_CODE_TIMEOUT",
        "CLAUDE_CODE_MAX_CONCURRENT", "CLAUDE_LOCAL_WORKSPACE", "CLAUDE_LOCAL_CLEANUP", "CLAUDE_LOCAL_GIT_CACHE",
        "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_EXECPATH", "CLAUDE_CODE_MESSAGING_SOCKET_PATH",
        "CLAUDE_CODE_MESSAGING_TOKEN", "CLAUDE_CODE_SESSION_ID", "CLAUDE_CODE_SSE_PORT", "CLAUDE_PID",
    };

    private static readonly (string Variable, string Name)[] Providers =
    [
        ("CLAUDE_CODE_USE_BEDROCK", "Amazon Bedrock"),
        ("CLAUDE_CODE_USE_VERTEX", "Google Vertex AI"),
        ("CLAUDE_CODE_USE_FOUNDRY", "Microsoft Foundry"),
        ("CLAUDE_CODE_USE_MANTLE", "Amazon Bedrock Mantle"),
        ("CLAUDE_CODE_USE_ANTHROPIC_AWS", "Claude on AWS"),
        ("CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", "Claude on Google Cloud"),
        ("CLAUDE_CODE_USE_GATEWAY", "the Cloud gateway"),
    ];

    /// <summary>Refuses where the operator's own Claude Code would use a service with another protocol.</summary>
    /// <exception cref="FailureException"><c>provider_not_supported</c>.</exception>
    public static void RefuseOtherProviders(IReadOnlyDictionary<string, string> environment)
    {
        foreach (var (variable, name) in Providers)
        {
            if (environment.TryGetValue(variable, out var value) && IsOn(value))
            {
                throw new FailureException(
                    "provider_not_supported",
                    $"{variable} asks for {name}, which Berth cannot use: its gateway speaks the Messages API of "
                        + "api.anthropic.com, or of an ANTHROPIC_BASE_URL that speaks it.",
                    $"Unset {variable}, and set ANTHROPIC_API_KEY; or set ANTHROPIC_BASE_URL to a gateway that "
                        + $"translates for {name}.",
                    Fault.Operator);
            }
        }
    }

    /// <summary>Names what is set and does not reach agents.</summary>
    public static IEnumerable<string> Notices(IReadOnlyDictionary<string, string> environment)
    {
        var unused = environment
            .Where(pair => pair.Value.Length > 0 && IsClaudes(pair.Key) && !Known.Contains(pair.Key)
                && !ClaudeCommandLine.Sets(pair.Key, pair.Value))
            .Select(pair => pair.Key)
            .Order(StringComparer.Ordinal)
            .ToList();
        if (unused.Count > 0)
        {
            var more = unused.Count > MostNamed ? $" and {unused.Count - MostNamed} more" : string.Empty;
            yield return $"Set here, but not passed on to the agent: {string.Join(", ", unused.Take(MostNamed))}"
                + $"{more}. --env NAME=VALUE, or a workflow's .env, gives a run a variable.";
        }
    }

    private static bool IsClaudes(string name) => WithoutPrefix.Contains(name)
        || Array.Exists(Prefixes, prefix => name.StartsWith(prefix, StringComparison.Ordinal));

    private static bool IsOn(string value) =>
        value.Trim().ToLowerInvariant() is not ("" or "0" or "false" or "no" or "off");
}
