using Berth.Engine.Network;

namespace Berth;

/// <summary>What callers of a server see and reach: rows of <see cref="SettingsTable"/>.</summary>
internal static class CallerSettings
{
    /// <summary>The rows.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new()
        {
            Variable = "BERTH_RUNS_SHARED",
            Key = "runsShared",
            Unit = "switch",
            Range = "true or false",
            Default = "false",
            Description = "Whether every caller of a server sees all runs and every operator steers them. Else the "
                + "runs of others are for admins only.",
            Bind = (options, value) => value.Switch is { } on
                ? options with { Server = options.Server with { RunsShared = on } }
                : null,
        },
        new()
        {
            Variable = "BERTH_REPOSITORY_HOSTS",
            Key = "repositoryHosts",
            Separator = ',',
            Unit = "hosts",
            Range = $"{HostPattern.Expected}; or an address",
            Default = "any host with a public address",
            Description = "The hosts whose repositories operators may name to a server, each with its port where that "
                + "is not 443, 80 or 22. A host that is named exactly may have an inner address; others may not.",
            Bind = (options, value) =>
                value.Words.Select(HostPattern.Parse).OfType<HostPattern>().ToList() is { Count: > 0 } hosts
                && hosts.Count == value.Words.Count
                    ? options with { Server = options.Server with { RepositoryHosts = hosts } }
                    : null,
        },
    ];
}
