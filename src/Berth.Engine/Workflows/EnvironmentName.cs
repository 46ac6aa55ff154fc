namespace Berth.Engine.Workflows;

/// <summary>Which variables a workflow's <c>.env</c> or a request may give to the agent.</summary>
internal static class EnvironmentName
{
    /// <summary>What a name has to look like, for messages.</summary>
    public const string Expected = "a variable's name: a letter or _, then letters, digits or _, at most 128 in all";

    private const int Longest = 128;

    // With one of these the agent would have a real key, speak past the gateway, or lose its private home.
    private static readonly HashSet<string> Owned = new(StringComparer.Ordinal)
    {
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_UNIX_SOCKET", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR", "HOME", "TMPDIR", "IS_SANDBOX",
    };

    /// <summary>Whether it is a name at all.</summary>
    public static bool IsName(string name) =>
        name.Length <= Longest
        && name is [var first, ..]
        && (char.IsAsciiLetter(first) || first == '_')
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '_');

    /// <summary>Why a variable of this name is refused, or null where it may be given.</summary>
    public static string? WhyRefused(string name)
    {
        if (Owned.Contains(name))
        {
            return $"{name} is set by Berth itself: the agent has no key and no way to the model but the gateway";
        }

        if (name is "BERTH_ARTIFACTS")
        {
            return $"{name} is set by Berth itself: it names the folder whose files are kept";
        }

        // They act on the sandbox program itself, before there is a sandbox.
        return name.StartsWith("LD_", StringComparison.Ordinal) || name is "GLIBC_TUNABLES"
            ? $"{name} would change how the sandbox itself is loaded"
            : null;
    }
}
