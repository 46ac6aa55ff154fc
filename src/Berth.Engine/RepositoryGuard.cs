using System.Net;
using System.Net.Sockets;
using Berth.Engine.Git;
using Berth.Engine.Network;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Which hosts an operator may have a server fetch from and push to (server-side request forgery).</summary>
/// <remarks>
/// A server stands where its callers do not: beside databases, metadata services and the other ports of its machine. So
/// each address of a host is judged, and the transfer is held to those. An operator is told the same of a host that may
/// not be reached, one that cannot be, and one that there is not.
/// </remarks>
/// <param name="hosts">The hosts that may be named; null for any with a public address. One that is named exactly may
/// have an inner one.</param>
/// <param name="resolve">Looks a name up; tests bring their own.</param>
internal sealed class RepositoryGuard(
    IReadOnlyList<HostPattern>? hosts, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
{
    private const int WebPort = 443;
    private const int MostAddresses = 16;
    private static readonly TimeSpan ResolveLimit = TimeSpan.FromSeconds(10);
    private static readonly AddressGuard Public = new([]);

    private readonly Func<string, CancellationToken, Task<IPAddress[]>> resolve = resolve ?? Dns.GetHostAddressesAsync;

    /// <summary>Judges where a transfer goes.</summary>
    /// <param name="location">The URL, or <c>host:path</c>.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="FailureException"><c>repository_unreachable</c>.</exception>
    public async Task<RemotePin> JudgeAsync(string location, CancellationToken cancel)
    {
        // What git and curl would read otherwise than we do is refused, so that they reach what was judged.
        if (RemotePlace.Of(location) is not { } place || !IsPlain(location, place)
            || HostPattern.Canonical(Bare(place)) is not { } name
            || !string.Equals(name, Bare(place), StringComparison.Ordinal))
        {
            throw GitFailures.NotReached(location);
        }

        var port = new RemotePin(place, []).Port;
        var known = hosts?.Where(pattern => pattern.Matches(name, port)
            || (pattern.Port is null && place is { Scheme: "ssh", Port: null } && pattern.Matches(name, WebPort)))
            .ToList();
        if (known is { Count: 0 })
        {
            throw GitFailures.NotReached(location);
        }

        if (known?.Exists(pattern => !pattern.IsSuffix) == true)
        {
            return new RemotePin(place, []);
        }

        var addresses = await AddressesOfAsync(name, cancel);
        return addresses.Count > 0 && addresses.All(Public.Permits)
            ? new RemotePin(place, addresses)
            : throw GitFailures.NotReached(location);
    }

    // All of them: a name with a public address and an inner one is nobody's mistake.
    private async Task<IReadOnlyList<IPAddress>> AddressesOfAsync(string name, CancellationToken cancel)
    {
        if (IPAddress.TryParse(name, out var literal))
        {
            return [literal];
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(ResolveLimit);
        try
        {
            var found = await resolve(name, limit.Token);
            return found.Length <= MostAddresses ? found : [];
        }
        catch (Exception unknown) when (
            unknown is SocketException || (unknown is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return [];
        }
    }

    private static string Bare(RemotePlace place) => place.Host.Trim('[', ']');

    // A host in another spelling (a number, letters outside of ASCII, an escape) is not written as it is read.
    private static bool IsPlain(string location, RemotePlace place)
    {
        var rest = location.Contains("://", StringComparison.Ordinal)
            ? location[(location.IndexOf("://", StringComparison.Ordinal) + 3)..]
            : location;
        var end = rest.AsSpan().IndexOfAny('/', '\\');
        var authority = end < 0 ? rest : rest[..end];
        var host = authority[(authority.LastIndexOf('@') + 1)..];
        return host.StartsWith(place.Host, StringComparison.OrdinalIgnoreCase)
            && (host.Length == place.Host.Length || host[place.Host.Length] == ':');
    }
}
