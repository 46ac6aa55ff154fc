using Berth.Engine.Gateway;

namespace Berth;

/// <summary>Where the model is, and what calls of it have beside what the agent says.</summary>
internal static class ModelSettings
{
    /// <summary>The table.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        Credential("ANTHROPIC_API_KEY", "x-api-key", (gateway, text) => gateway with { ApiKey = text }),
        Credential(
            "ANTHROPIC_AUTH_TOKEN",
            "Authorization: Bearer",
            (gateway, text) => gateway with { AuthToken = text }),
        Credential(
            "CLAUDE_CODE_OAUTH_TOKEN",
            "Authorization: Bearer, for a subscription",
            (gateway, text) => gateway with { OAuthToken = text }),
        new()
        {
            Variable = "ANTHROPIC_BASE_URL",
            Key = "baseUrl",
            Unit = "URL",
            Range = "an http or https URL without user, password, query or fragment",
            Default = "https://api.anthropic.com",
            Description = "Where the model is. Only Berth's gateway speaks to it, never the agent.",
            Bind = (options, value) => Upstream(value.Text) is { } url
                ? options with { Gateway = options.Gateway with { Upstream = url } }
                : null,
        },
        new()
        {
            Variable = "ANTHROPIC_MODEL",
            Key = "model",
            Unit = "name",
            Range = "a model's name or alias of 1 to 200 characters, without a dash in front",
            Default = "the CLI's own choice",
            Description = "The model of runs where neither they nor their workflow say.",
            Bind = (options, value) => value.Text is { Length: > 0 and <= 200 } name && name[0] != '-'
                && !name.Any(char.IsControl)
                ? options with { Model = name }
                : null,
        },
        new()
        {
            Variable = "ANTHROPIC_CUSTOM_HEADERS",
            Unit = "lines",
            Range = "lines of NAME: VALUE in printable ASCII; no header that belongs to the connection",
            Default = "none",
            Description = "Headers that the gateway adds to each call of the model. "
                + "Never read from berth.json, never seen by the agent.",
            Secret = true,
            Bind = (options, value) => CustomHeaders.Parse(value.Text) is { } headers
                ? options with { Gateway = options.Gateway with { CustomHeaders = headers } }
                : null,
        },
    ];

    private static Setting Credential(
        string variable, string header, Func<GatewayOptions, string, GatewayOptions> put) => new()
    {
        Variable = variable,
        Unit = "text",
        Range = "printable ASCII characters without spaces",
        Default = "none",
        Description = $"The credential sent to the model as {header}. "
            + "Never read from berth.json, never seen by the agent.",
        Secret = true,
        Bind = (options, value) => value.Text.Length > 0 && value.Text.All(letter => letter is > ' ' and <= '~')
            ? options with { Gateway = put(options.Gateway, value.Text) }
            : null,
    };

    // The calls have /v1/messages behind it already, and many a gateway is documented with /v1.
    private static Uri? Upstream(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")
            || url is not { UserInfo: "", Query: "", Fragment: "" } || url.Host.Length == 0)
        {
            return null;
        }

        var path = url.AbsolutePath.TrimEnd('/');
        foreach (var end in new[] { "/v1/messages", "/v1" })
        {
            path = path.EndsWith(end, StringComparison.Ordinal) ? path[..^end.Length] : path;
        }

        return new UriBuilder(url) { Path = path }.Uri;
    }
}
