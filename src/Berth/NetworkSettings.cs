using Berth.Engine.Network;

namespace Berth;

/// <summary>The settings that bound what runs may reach: rows of <see cref="SettingsTable"/>.</summary>
internal static class NetworkSettings
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new()
        {
            Variable = "BERTH_NETWORK",
            Key = "network",
            Unit = "word",
            Range = "none, allowlist or open",
            Default = "open",
            Description = "The most that a run may ask for; what it has without asking is none.",
            Bind = (options, value) =>
                NetworkPolicy.Read(value.Text) is { } mode ? options with { NetworkMost = mode } : null,
        },
        new()
        {
            Variable = "BERTH_NETWORK_HOSTS",
            Key = "networkHosts",
            Separator = ',',
            Unit = "hosts",
            Range = HostPattern.Expected,
            Default = "any",
            Description = "The hosts that runs may allow at all. Where it is set, no run has an open network.",
            Bind = (options, value) => Each(value.Words, HostPattern.Parse) is { Count: > 0 } hosts
                ? options with { NetworkHosts = hosts }
                : null,
        },
        new()
        {
            Variable = "BERTH_NETWORK_PRIVATE",
            Key = "networkPrivate",
            Separator = ',',
            Unit = "addresses",
            Range = AddressGuard.Expected,
            Default = "none",
            Description = "Loopback, private and link-local addresses that an allowed host may have; "
                + "others are refused.",
            Bind = (options, value) => Each(
                value.Words,
                text => AddressGuard.Read(text) is { } network ? new NamedNetwork(network) : null) is { } named
                ? options with { NetworkPrivate = [.. named.Select(each => each.Network)] }
                : null,
        },
    ];

    private static List<T>? Each<T>(IReadOnlyList<string> words, Func<string, T?> read)
        where T : class
    {
        var all = words.Select(read).OfType<T>().ToList();
        return all.Count == words.Count ? all : null;
    }

    private sealed record NamedNetwork(System.Net.IPNetwork Network);
}
