using System.Net;
using System.Net.Sockets;

namespace Berth.Engine.Network;

/// <summary>Which addresses a proxy may connect to, whatever name led there.</summary>
/// <remarks>
/// Whoever owns an allowed name decides what it resolves to. So the address counts and not the name: what is inside a
/// machine, a network or a cloud is refused, unless the operator has named the address itself.
/// </remarks>
/// <param name="permitted">What the operator has named.</param>
internal sealed class AddressGuard(IReadOnlyList<IPNetwork> permitted)
{
    /// <summary>What an address of the operator's has to look like, for messages.</summary>
    public const string Expected = "addresses or networks such as 10.1.0.0/16, 192.168.7.5 or fd00::/8";

    // This network, private, shared, loopback, link-local (with the metadata of most clouds), special, documentation,
    // benchmarks, multicast, reserved; and the wire server of Azure, which has a public address.
    private static readonly IPNetwork[] Inner4 = Networks(
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4");

    // Everything public is below 2000::/3; in it are special uses, documentation, and addresses that hold one of
    // version 4.
    private static readonly IPNetwork Public6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork[] Inner6 = Networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20");

    /// <summary>Reads what the operator named: an address, or a network with its number of bits.</summary>
    public static IPNetwork? Read(string text) =>
        IPNetwork.TryParse(text, out var network) ? network
        : !text.Contains('/', StringComparison.Ordinal) && IPAddress.TryParse(text, out var address)
            ? new IPNetwork(address, address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)
            : null;

    /// <summary>Whether it may be connected to.</summary>
    public bool Permits(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return Contains(permitted, plain) || !IsInner(plain);
    }

    private static bool IsInner(IPAddress address) => address.AddressFamily switch
    {
        AddressFamily.InterNetwork => Contains(Inner4, address),
        AddressFamily.InterNetworkV6 => !Public6.Contains(address) || Contains(Inner6, address),
        _ => true,
    };

    private static bool Contains(IReadOnlyList<IPNetwork> networks, IPAddress address) =>
        networks.Any(
            network => network.BaseAddress.AddressFamily == address.AddressFamily && network.Contains(address));

    private static IPNetwork[] Networks(params ReadOnlySpan<string> texts)
    {
        var networks = new IPNetwork[texts.Length];
        for (var at = 0; at < texts.Length; at++)
        {
            networks[at] = IPNetwork.Parse(texts[at]);
        }

        return networks;
    }
}
