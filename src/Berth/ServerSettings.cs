using System.Net;
using Berth.Engine;
using Berth.Engine.Network;
using Berth.Engine.Storage;

namespace Berth;

/// <summary>The settings of a server: rows of <see cref="SettingsTable"/>.</summary>
internal static class ServerSettings
{
    /// <summary>What an address must be, to end the sentence "expected …".</summary>
    public const string UrlExpected = "an http or https URL of an address and a port, without a path";

    private const long Mebi = 1024 * 1024;
    private const long Tebi = Mebi * Mebi;

    /// <summary>The rows.</summary>
    public static IReadOnlyList<Setting> All { get; } =
        [.. Remote(), .. Requests(), .. Connections(), .. Bounds(), .. Room(), .. Sharing()];

    /// <summary>An address to listen at, or null where the text is none.</summary>
    public static Uri? UrlOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
        && url is { UserInfo: "", AbsolutePath: "/", Query: "", Fragment: "" }
            ? url
            : null;

    private static IEnumerable<Setting> Remote() =>
    [
        new()
        {
            Variable = "BERTH_SERVER",
            Key = "server",
            Unit = "URL",
            Range = "an http or https URL of a server, without a path",
            Default = "none: this machine's own runs",
            Description = "The server that run, ps, show, logs, diff, artifacts, cancel and cleanup ask.",
            Bind = (options, value) => ServerOf(value.Text) is { } url
                ? options with { Remote = options.Remote with { Server = url } }
                : null,
        },
        new()
        {
            Variable = "BERTH_TOKEN",
            Unit = "text",
            Range = "a token, as berth token create shows it",
            Default = "none",
            Description = "What that server is shown. Never read from berth.json.",
            Secret = true,
            Bind = (options, value) => value.Text.Length > 0 && value.Text.All(letter => letter is > ' ' and <= '~')
                ? options with { Remote = options.Remote with { Token = value.Text } }
                : null,
        },
    ];

    /// <summary>A server's address, or null where the text is none.</summary>
    public static Uri? ServerOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
        && url is { UserInfo: "", AbsolutePath: "/", Query: "", Fragment: "" }
            ? url
            : null;

    private static IEnumerable<Setting> Requests() =>
    [
        new()
        {
            Variable = "BERTH_URLS",
            Key = "urls",
            Separator = ',',
            Unit = "URLs",
            Range = UrlExpected,
            Default = "http://127.0.0.1:7433",
            Description = "Where berth serve listens.",
            Bind = (options, value) =>
                value.Words.Select(UrlOf).OfType<Uri>().ToList() is { Count: > 0 } urls
                && urls.Count == value.Words.Count
                    ? options with { Server = options.Server with { Urls = urls } }
                    : null,
        },
        new()
        {
            Variable = "BERTH_REPOSITORY",
            Key = "repository",
            Unit = "path or URL",
            Range = "a repository's path or URL",
            Default = "none: a request must name one",
            Description = "The repository of a server's requests that name none.",
            Bind = (options, value) => value.Text.Length > 0
                ? options with { Server = options.Server with { DefaultRepository = value.Text } }
                : null,
        },
        new()
        {
            Variable = "BERTH_REPOSITORIES",
            Key = "repositories",
            Separator = ':',
            Unit = "paths",
            Range = "folders' paths",
            Default = "none: operators name URLs",
            Description = "Folders of the server's machine whose repositories operators may name by path. "
                + "Admins may name any.",
            Bind = (options, value) => value.Paths is { } paths
                ? options with { Server = options.Server with { Repositories = paths } }
                : null,
        },
    ];

    private static IEnumerable<Setting> Connections() =>
    [
        new()
        {
            Variable = "BERTH_TLS_CERT",
            Key = "tlsCert",
            Unit = "path",
            Range = "a PEM file: the certificate, and those that vouch for it",
            Default = "none: http only",
            Description = "What a server shows at https addresses. Read anew when it changes.",
            Bind = (options, value) => value.Path is { } path
                ? options with { Server = options.Server with { TlsCertificate = path } }
                : null,
        },
        new()
        {
            Variable = "BERTH_TLS_KEY",
            Key = "tlsKey",
            Unit = "path",
            Range = "a PEM file that others cannot read",
            Default = "none: http only",
            Description = "The key of that certificate.",
            Bind = (options, value) => value.Path is { } path
                ? options with { Server = options.Server with { TlsKey = path } }
                : null,
        },
        new()
        {
            Variable = "BERTH_PROXIES",
            Key = "proxies",
            Separator = ',',
            Unit = "addresses",
            Range = AddressGuard.Expected,
            Default = "none: forwarded headers count for nothing",
            Description = "The proxies before a server whose X-Forwarded-For and X-Forwarded-Proto it believes.",
            Bind = (options, value) =>
                value.Words.Select(AddressGuard.Read).OfType<IPNetwork>().ToList() is { Count: > 0 } networks
                && networks.Count == value.Words.Count
                    ? options with { Server = options.Server with { Proxies = networks } }
                    : null,
        },
        new()
        {
            Variable = "BERTH_METRICS",
            Key = "metrics",
            Unit = "word",
            Range = "off, token or open",
            Default = "off",
            Description = "Who may read a server's /metrics, for Prometheus: nobody, callers with a token, everybody.",
            Bind = (options, value) => value.Text switch
            {
                "off" => options with { Server = options.Server with { Metrics = MetricsAccess.Off } },
                "token" => options with { Server = options.Server with { Metrics = MetricsAccess.Token } },
                "open" => options with { Server = options.Server with { Metrics = MetricsAccess.Open } },
                _ => null,
            },
        },
    ];

    private static IEnumerable<Setting> Bounds() =>
    [
        new()
        {
            Variable = "BERTH_QUEUE",
            Key = "queue",
            Unit = "runs",
            Range = "1 to 100000",
            Default = "1000",
            Description = "How many runs may wait at a server; one more is refused.",
            Bind = (options, value) => value.Count(1, 100_000) is { } count
                ? options with { Server = options.Server with { QueueLimit = count } }
                : null,
        },
        new()
        {
            Variable = "BERTH_PER_WORKFLOW",
            Key = "perWorkflow",
            Unit = "runs",
            Range = "1 to 1000",
            Default = "no bound of its own",
            Description = "How many runs of one workflow a server lets work at once.",
            Bind = (options, value) => value.Count(1, 1000) is { } count
                ? options with { Server = options.Server with { PerWorkflow = count } }
                : null,
        },
        new()
        {
            Variable = "BERTH_PER_REPOSITORY",
            Key = "perRepository",
            Unit = "runs",
            Range = "1 to 1000",
            Default = "no bound of its own",
            Description = "How many runs of one repository a server lets work at once.",
            Bind = (options, value) => value.Count(1, 1000) is { } count
                ? options with { Server = options.Server with { PerRepository = count } }
                : null,
        },
    ];

    private static IEnumerable<Setting> Sharing() =>
    [
        new()
        {
            Variable = "BERTH_DATABASE",
            Unit = "text",
            Range = "a connection string of PostgreSQL, such as Host=db;Database=berth;Username=berth;Password=…",
            Default = "none: SQLite in BERTH_HOME",
            Description = "The PostgreSQL that has runs, tokens and audit in the place of the home's own file; servers "
                + "that name the same one share their queue. Never read from berth.json.",
            Secret = true,
            Bind = (options, value) => PostgresDatabase.IsConnectionString(value.Text)
                ? options with { Database = value.Text }
                : null,
        },
        new()
        {
            Variable = "BERTH_ADVERTISE",
            Key = "advertise",
            Unit = "URL",
            Range = "an http or https URL of a server, without a path",
            Default = "the first of BERTH_URLS, with this machine's name for any address",
            Description = "Where the servers that share the database reach this one.",
            Bind = (options, value) => ServerOf(value.Text) is { } url
                ? options with { Server = options.Server with { Advertise = url } }
                : null,
        },
        new()
        {
            Variable = "BERTH_AWAY",
            Key = "away",
            Unit = "seconds",
            Range = "2 to 3600",
            Default = "30",
            Description = "After how long without a sign of life a server that shares the database counts as away: "
                + "what it had taken and not launched waits again.",
            Bind = (options, value) => value.Count(2, 3600) is { } seconds
                ? options with { Server = options.Server with { Away = TimeSpan.FromSeconds(seconds) } }
                : null,
        },
    ];

    private static IEnumerable<Setting> Room() =>
    [
        new()
        {
            Variable = "BERTH_MIN_DISK",
            Key = "minDisk",
            Unit = "bytes",
            Range = "1M to 1024G (K, M and G are understood)",
            Default = "1G",
            Description = "With less room on its disk a server accepts no run.",
            Bind = (options, value) => value.Bytes(Mebi, Tebi) is { } bytes
                ? options with { Server = options.Server with { LeastDisk = bytes } }
                : null,
        },
        new()
        {
            Variable = "BERTH_MIN_MEMORY",
            Key = "minMemory",
            Unit = "bytes",
            Range = "1M to 1024G (K, M and G are understood)",
            Default = "256M",
            Description = "With less memory available a server accepts no run.",
            Bind = (options, value) => value.Bytes(Mebi, Tebi) is { } bytes
                ? options with { Server = options.Server with { LeastMemory = bytes } }
                : null,
        },
    ];
}
