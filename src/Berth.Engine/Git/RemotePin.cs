using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Berth.Protocol;

namespace Berth.Engine.Git;

/// <summary>The addresses that were judged for a place: a transfer goes there, whatever its name means a moment
/// later (DNS rebinding).</summary>
/// <param name="Place">The place.</param>
/// <param name="Addresses">Its addresses; none where the operator has named the very host, which is then reached as
/// by the user himself.</param>
internal sealed record RemotePin(RemotePlace Place, IReadOnlyList<IPAddress> Addresses)
{
    private const int SshPort = 22;

    /// <summary>The port of the place.</summary>
    public int Port => Place.Port ?? Place.Scheme switch
    {
        "https" => 443,
        "http" => 80,
        _ => SshPort,
    };

    /// <summary>What stands before git's subcommand. A redirect names a place that nobody judged, and so do a list of
    /// bundles and an alternate of the dumb protocol, which git follows only as redirects.</summary>
    public IEnumerable<string> Arguments =>
    [
        "-c", "http.followRedirects=false", "-c", "transfer.bundleURI=false", "-c", "fetch.uriProtocols=",
        .. Addresses.Count > 0 && Place.Scheme is not "ssh" ? ["-c", $"http.curloptResolve={Resolve}"]
            : Array.Empty<string>(),
    ];

    /// <summary>The variables for a program that becomes ssh; none for another scheme.</summary>
    public IEnumerable<KeyValuePair<string, string>> SshVariables => Addresses.Count > 0 && Place.Scheme is "ssh"
        ? [
            KeyValuePair.Create(GitErrand.SshAddress, Addresses[0].ToString()),
            KeyValuePair.Create(
                GitErrand.SshAlias,
                Port == SshPort ? Place.Host : string.Create(CultureInfo.InvariantCulture, $"[{Place.Host}]:{Port}")),
        ]
        : [];

    private string Resolve => string.Create(
        CultureInfo.InvariantCulture, $"{Place.Host}:{Port}:{string.Join(',', Addresses.Select(Text))}");

    private static string Text(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
}
