using System.Net;
using Berth.Engine.Network;
using Berth.Engine.Webhooks;

namespace Berth.Engine;

/// <summary>The settings that only a server has.</summary>
internal sealed record ServerOptions
{
    /// <summary>Where it listens. Default: one port of the loopback.</summary>
    public IReadOnlyList<Uri> Urls { get; init; } = [new("http://127.0.0.1:7433")];

    /// <summary>Where other servers that share the database reach this one; null for the first of
    /// <see cref="Urls"/>. <c>BERTH_ADVERTISE</c>.</summary>
    public Uri? Advertise { get; init; }

    /// <summary>After how long without a sign of life another server that shares the database counts as away. 2 s to
    /// 1 h, default 30 s. <c>BERTH_AWAY</c>.</summary>
    public TimeSpan Away { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The file with the certificate that https addresses show, and those that vouch for it.
    /// <c>BERTH_TLS_CERT</c>.</summary>
    public string? TlsCertificate { get; init; }

    /// <summary>The file with its key. <c>BERTH_TLS_KEY</c>.</summary>
    public string? TlsKey { get; init; }

    /// <summary>The proxies whose word counts for where a request comes from. Default none.
    /// <c>BERTH_PROXIES</c>.</summary>
    public IReadOnlyList<IPNetwork> Proxies { get; init; } = [];

    /// <summary>Who may read <c>/metrics</c>. Default: it is not there. <c>BERTH_METRICS</c>.</summary>
    public MetricsAccess Metrics { get; init; }

    /// <summary>How many runs may wait; one more is refused. 1 to 100,000, default 1,000. <c>BERTH_QUEUE</c>.</summary>
    public int QueueLimit { get; init; } = 1000;

    /// <summary>How many runs of one workflow work at once; null for no bound of its own.
    /// <c>BERTH_PER_WORKFLOW</c>.</summary>
    public int? PerWorkflow { get; init; }

    /// <summary>How many runs of one repository work at once; null for no bound of its own.
    /// <c>BERTH_PER_REPOSITORY</c>.</summary>
    public int? PerRepository { get; init; }

    /// <summary>Folders whose repositories operators may name by path. Default none: they name URLs.
    /// <c>BERTH_REPOSITORIES</c>.</summary>
    public IReadOnlyList<string> Repositories { get; init; } = [];

    /// <summary>The hosts whose repositories operators may name by URL; null, the default, for any with a public
    /// address. <c>BERTH_REPOSITORY_HOSTS</c>.</summary>
    public IReadOnlyList<HostPattern>? RepositoryHosts { get; init; }

    /// <summary>The repository of requests that name none. <c>BERTH_REPOSITORY</c>.</summary>
    public string? DefaultRepository { get; init; }

    /// <summary>Whether every caller sees all runs, and every operator steers them; by default the runs of others are
    /// admins' alone. <c>BERTH_RUNS_SHARED</c>.</summary>
    public bool RunsShared { get; init; }

    /// <summary>Whom it tells what becomes of runs. Default: nobody.</summary>
    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>With less room on the disk of the home no run is accepted, in bytes. Default 1 GiB.
    /// <c>BERTH_MIN_DISK</c>.</summary>
    public long LeastDisk { get; init; } = 1024L * 1024 * 1024;

    /// <summary>With less memory available no run is accepted, in bytes. Default 256 MiB.
    /// <c>BERTH_MIN_MEMORY</c>.</summary>
    public long LeastMemory { get; init; } = 256L * 1024 * 1024;
}

/// <summary>Who may read a server's metrics.</summary>
internal enum MetricsAccess
{
    /// <summary>There are none to be read.</summary>
    Off,

    /// <summary>Whoever has a token, a viewer's or more.</summary>
    Token,

    /// <summary>Everybody who reaches the server.</summary>
    Open,
}
