using Berth.Engine;

namespace Berth;

/// <summary>The settings of what is kept of ended runs: rows of <see cref="SettingsTable"/>.</summary>
internal static class RetentionSettings
{
    private const long Mebi = 1024 * 1024;
    private const long Tebi = Mebi * Mebi;
    private const string Ages = "1h to 3660d (m, h and d are understood)";
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan TenYears = TimeSpan.FromSeconds(TimeText.MostSeconds);

    /// <summary>The rows.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        new()
        {
            Variable = "BERTH_ARTIFACTS_BYTES",
            Key = "artifactsBytes",
            Unit = "bytes",
            Range = "0 to 1024G (K, M and G are understood)",
            Default = "1G",
            Description = "How much of what an agent leaves in $BERTH_ARTIFACTS is kept of one run, all files "
                + "together; the rest is left out, with a warning.",
            Bind = (options, value) => value.Bytes(0, Tebi) is { } bytes
                ? With(options, options.Retention with { ArtefactBytes = bytes })
                : null,
        },
        new()
        {
            Variable = "BERTH_ARTIFACTS_LIFETIME",
            Key = "artifactsLifetime",
            Unit = "time",
            Range = Ages,
            Default = "30d",
            Description = "How long a run's artefacts and its conversation are kept after its end. berth cleanup "
                + "removes what is older, and a server by itself.",
            Bind = (options, value) => value.Time(Hour, TenYears) is { } time
                ? With(options, options.Retention with { ArtefactLifetime = time })
                : null,
        },
        new()
        {
            Variable = "BERTH_RETENTION_AGE",
            Key = "retentionAge",
            Unit = "time",
            Range = Ages,
            Default = "none: until somebody cleans up",
            Description = "After how long a server removes what an ended run still has: workspace, repository, "
                + "artefacts, conversation. Records and transcripts stay.",
            Bind = (options, value) => value.Time(Hour, TenYears) is { } time
                ? With(options, options.Retention with { Age = time })
                : null,
        },
        new()
        {
            Variable = "BERTH_RETENTION_BYTES",
            Key = "retentionBytes",
            Unit = "bytes",
            Range = "1M to 1024T (K, M, G and T are understood)",
            Default = "none: no bound",
            Description = "How much of that all ended runs may hold together at a server; the oldest give way.",
            Bind = (options, value) => value.Bytes(Mebi, 1024 * Tebi) is { } bytes
                ? With(options, options.Retention with { Bytes = bytes })
                : null,
        },
    ];

    private static BerthOptions With(BerthOptions options, RetentionOptions retention) =>
        options with { Retention = retention };
}
