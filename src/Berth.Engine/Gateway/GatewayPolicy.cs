namespace Berth.Engine.Gateway;

/// <summary>What an agent may ask the model's service to do beside answering.</summary>
internal sealed record GatewayPolicy
{
    /// <summary>The server tools that a workflow can permit.</summary>
    public static IReadOnlyList<string> KnownServerTools { get; } = ["web_search", "web_fetch", "code_execution"];

    /// <summary>Nothing: for a run whose network is <c>none</c> or <c>allowlist</c>.</summary>
    public static GatewayPolicy Closed { get; } = new();

    /// <summary>
    /// Whether the service may fetch whatever it is asked to: for a run whose own network is open, which gains nothing
    /// by it.
    /// </summary>
    public bool MayFetch { get; init; }

    /// <summary>Server tools that the workflow permits, of <see cref="KnownServerTools"/>.</summary>
    public IReadOnlyList<string> ServerTools { get; init; } = [];

    /// <summary>Whether a request may offer the model a server tool of this type, such as
    /// <c>web_search_20250305</c>.</summary>
    public bool Permits(string toolType) =>
        MayFetch || ServerTools.Any(tool => IsVersionOf(toolType, tool));

    /// <summary>Whether a type is a dated version of a tool.</summary>
    internal static bool IsVersionOf(string type, string tool) =>
        type.Length > tool.Length + 1
        && type.StartsWith(tool, StringComparison.Ordinal)
        && type[tool.Length] == '_'
        && type.AsSpan(tool.Length + 1).ContainsAnyExceptInRange('0', '9') is false;
}
