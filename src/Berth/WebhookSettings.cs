using System.Net;
using System.Text.RegularExpressions;
using Berth.Engine;
using Berth.Engine.Network;
using Berth.Engine.Webhooks;

namespace Berth;

/// <summary>The settings of a server's webhooks: rows of <see cref="SettingsTable"/>.</summary>
internal static partial class WebhookSettings
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<Setting> All { get; } = [.. Receivers(), .. Secrets()];

    private static IEnumerable<Setting> Receivers() =>
    [
        new()
        {
            Variable = "BERTH_WEBHOOKS",
            Separator = ',',
            Unit = "URLs",
            Range = "at most 16 http or https URLs without user, password and fragment",
            Default = "none",
            Description = "Whom a server tells what becomes of runs. Never read from berth.json: a path may be a "
                + "credential.",
            Secret = true,
            Bind = (options, value) =>
                UrlsOf(value.Words) is { Count: > 0 } urls && urls.Count <= WebhookOptions.MostReceivers
                    ? With(options, webhooks => webhooks with { Urls = urls })
                    : null,
        },
        new()
        {
            Variable = "BERTH_WEBHOOK_EVENTS",
            Key = "webhookEvents",
            Separator = ',',
            Unit = "words",
            Range = string.Join(", ", WebhookEvents.All),
            Default = "all of them",
            Description = "What the receivers of webhooks are told.",
            Bind = (options, value) =>
                value.Words.Count > 0 && !value.Words.Except(WebhookEvents.All, StringComparer.Ordinal).Any()
                    ? With(options, webhooks => webhooks with { Events = value.Words })
                    : null,
        },
        new()
        {
            Variable = "BERTH_WEBHOOK_PRIVATE",
            Key = "webhookPrivate",
            Separator = ',',
            Unit = "addresses",
            Range = AddressGuard.Expected,
            Default = "none",
            Description = "Loopback, private and link-local addresses that a receiver of webhooks may have; "
                + "others are not connected to.",
            Bind = (options, value) =>
                value.Words.Select(AddressGuard.Read).OfType<IPNetwork>().ToList() is { Count: > 0 } networks
                && networks.Count == value.Words.Count
                    ? With(options, webhooks => webhooks with { Private = networks })
                    : null,
        },
    ];

    private static IEnumerable<Setting> Secrets() =>
    [
        new()
        {
            Variable = "BERTH_WEBHOOK_SECRET",
            Unit = "text",
            Range = "24 to 64 bytes in base 64, with whsec_ before it or without; two with a space between them",
            Default = "none",
            Description = "What webhooks are signed with. Never read from berth.json.",
            Secret = true,
            Bind = (options, value) => value.Text.Length > 0
                ? With(options, webhooks => webhooks with { Secret = value.Text })
                : null,
        },
        new()
        {
            Variable = "BERTH_WEBHOOK_SECRET_FILE",
            Key = "webhookSecretFile",
            Unit = "path",
            Range = "a file's path",
            Default = "none",
            Description = "The file that has the webhooks' secret, where the environment is no place for it.",
            Bind = (options, value) => value.Path is { } path
                ? With(options, webhooks => webhooks with { SecretFile = path })
                : null,
        },
    ];

    private static BerthOptions With(BerthOptions options, Func<WebhookOptions, WebhookOptions> change) =>
        options with { Server = options.Server with { Webhooks = change(options.Server.Webhooks) } };

    // A space ends a URL too, and no other mark does: what is then left in one is refused.
    private static List<Uri>? UrlsOf(IReadOnlyList<string> words)
    {
        var texts = words.SelectMany(word => word.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToList();
        var urls = texts.Select(UrlOf).OfType<Uri>().ToList();
        return urls.Count == texts.Count ? urls : null;
    }

    // A second URL after a mark that is none of a path's is a list that was written otherwise.
    private static Uri? UrlOf(string text) =>
        !SecondUrl().IsMatch(text)
        && Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
        && url is { UserInfo: "", Fragment: "", Host.Length: > 0 }
            ? url
            : null;

    [GeneratedRegex("[^A-Za-z0-9/=&?%:@+~._-]https?://", RegexOptions.CultureInvariant | RegexOptions.IgnoreCase, 1000)]
    private static partial Regex SecondUrl();
}
