namespace Berth.Engine.Gateway;

/// <summary>Where the model is and with which credential. Only the gateway ever holds this.</summary>
internal sealed record GatewayOptions
{
    /// <summary>The public API.</summary>
    public static Uri PublicApi { get; } = new("https://api.anthropic.com");

    /// <summary>The upstream. Default: the public API. <c>ANTHROPIC_BASE_URL</c>.</summary>
    public Uri Upstream { get; init; } = PublicApi;

    /// <summary>Sent as <c>x-api-key</c>. <c>ANTHROPIC_API_KEY</c>.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Sent as <c>Authorization: Bearer</c>. <c>ANTHROPIC_AUTH_TOKEN</c>.</summary>
    public string? AuthToken { get; init; }

    /// <summary>
    /// Sent as <c>Authorization: Bearer</c> with the beta header of subscriptions. <c>CLAUDE_CODE_OAUTH_TOKEN</c>.
    /// </summary>
    public string? OAuthToken { get; init; }

    /// <summary>Headers that each call has beside these. <c>ANTHROPIC_CUSTOM_HEADERS</c>.</summary>
    public CustomHeaders CustomHeaders { get; init; } = CustomHeaders.None;

    /// <summary>How often a failed call is tried again. 0 to 20, default 8.</summary>
    public int MaxRetries { get; init; } = 8;

    /// <summary>
    /// The longest wait that a <c>retry-after</c> of the upstream may ask for. Default 2 minutes; a longer one is a
    /// final refusal.
    /// </summary>
    public TimeSpan MaxRetryAfter { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long the upstream may take to its first byte. Default 5 minutes.</summary>
    public TimeSpan FirstByte { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the upstream may be silent in an answer. Default 5 minutes.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>What calls cost. Default: the prices of the pinned CLI.</summary>
    public ModelPrices Prices { get; init; } = ModelPrices.Listed;

    /// <summary>What the run may have the model's service do.</summary>
    public GatewayPolicy Policy { get; init; } = GatewayPolicy.Closed;

    /// <summary>How long an answer is read on once nobody reads it any more. Default 10 minutes.</summary>
    public TimeSpan Unheard { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long calls in flight are waited for when the run has ended. Default 5 seconds; then they are cut,
    /// and charged in full.</summary>
    public TimeSpan Ending { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether anything was given to authenticate with.</summary>
    public bool HasCredential => ApiKey is not null || AuthToken is not null || OAuthToken is not null
        || CustomHeaders.Authenticate;

    /// <summary>The values that no transcript may show.</summary>
    public IEnumerable<string> Secrets =>
        [.. new[] { ApiKey, AuthToken, OAuthToken }.OfType<string>(), .. CustomHeaders.Secrets];
}
