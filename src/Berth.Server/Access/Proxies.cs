using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using IPNetwork = System.Net.IPNetwork;

namespace Berth.Server.Access;

/// <summary>Whose word counts for where a request comes from.</summary>
internal static class Proxies
{
    // As many as may stand one behind the other.
    private const int Most = 8;

    /// <summary>Heeds the forwarded headers of the proxies that were named, and nobody else's: by another's, anybody
    /// could be wrong as often as he likes, under addresses that he makes up.</summary>
    public static void Heed(IApplicationBuilder application, IReadOnlyList<IPNetwork> networks)
    {
        if (networks.Count == 0)
        {
            return;
        }

        var options = new ForwardedHeadersOptions
        {
            ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto,
            ForwardLimit = Most,
        };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var network in networks)
        {
            options.KnownIPNetworks.Add(network);
        }

        application.UseForwardedHeaders(options);
    }
}
