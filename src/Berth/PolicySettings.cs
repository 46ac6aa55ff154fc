using Berth.Engine.Network;
using Berth.Engine.Workflows;

namespace Berth;

/// <summary>The settings that bound what runs may reach and hold: rows of <see cref="SettingsTable"/>.</summary>
internal static class PolicySettings
{
    private const long Mebi = 1024 * 1024;

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
        new()
        {
            Variable = "BERTH_MOUNTS",
            Key = "mounts",
            Separator = ',',
            Unit = "paths",
            Range = "absolute paths of folders, each with :rw behind it where runs may write",
            Default = "none",
            Description = "The folders that runs may ask for with --mount, and all that is below them.",
            Bind = (options, value) =>
                value.Words.Select(MountText.Parse).ToList() is var mounts && mounts.TrueForAll(IsBound)
                    ? options with { Mounts = [.. mounts.OfType<MountText>()] }
                    : null,
        },
        new()
        {
            Variable = "BERTH_TMP",
            Key = "tmp",
            Unit = "bytes",
            Range = "16M to 1024G (K, M and G are understood)",
            Default = "4G",
            Description = "How much /tmp of a run may hold; it is the machine's memory. Without a sandbox no limit.",
            Bind = (options, value) =>
                value.Bytes(16 * Mebi, Mebi * Mebi) is { } bytes ? options with { TempBytes = bytes } : null,
        },
        new()
        {
            Variable = "BERTH_DISK",
            Key = "disk",
            Unit = "bytes",
            Range = "16M to 1024G (K, M and G are understood)",
            Default = "no limit",
            Description = "How much workspace, HOME and artefacts folder of a run may hold; with more it is stopped.",
            Bind = (options, value) => value.Bytes(16 * Mebi, Mebi * Mebi) is { } bytes
                ? options with { Disk = options.Disk with { Most = bytes } }
                : null,
        },
        new()
        {
            Variable = "BERTH_DISK_STOP",
            Key = "diskStop",
            Unit = "bytes",
            Range = "0 to 1024G (K, M and G are understood)",
            Default = "256M, or a twentieth of a disk of less than 5 GiB",
            Description = "With less room on the disk of its directory a run is stopped, and what it did is kept.",
            Bind = (options, value) => value.Bytes(0, Mebi * Mebi) is { } bytes
                ? options with { Disk = options.Disk with { Stop = bytes } }
                : null,
        },
    ];

    private static List<T>? Each<T>(IReadOnlyList<string> words, Func<string, T?> read)
        where T : class
    {
        var all = words.Select(read).OfType<T>().ToList();
        return all.Count == words.Count ? all : null;
    }

    private static bool IsBound(MountText? mount) => mount is { Inside: null };

    private sealed record NamedNetwork(System.Net.IPNetwork Network);
}
