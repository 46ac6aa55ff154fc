namespace Berth.Engine;

/// <summary>What is kept of ended runs, how much of it, and for how long.</summary>
internal sealed record RetentionOptions
{
    /// <summary>How long a run's artefacts and its conversation are kept. 1 h to 10 years, default 30 days.
    /// <c>BERTH_ARTIFACTS_LIFETIME</c>.</summary>
    public TimeSpan ArtefactLifetime { get; init; } = TimeSpan.FromDays(30);

    /// <summary>How much the agent's artefacts of one run may hold together, in bytes. 0 to 1 TiB, default 1 GiB.
    /// <c>BERTH_ARTIFACTS_BYTES</c>.</summary>
    public long ArtefactBytes { get; init; } = 1024L * 1024 * 1024;

    /// <summary>How long a server lets ended runs keep what clean-up would remove; null, the default, for as long as
    /// nobody asks. 1 h to 10 years. <c>BERTH_RETENTION_AGE</c>.</summary>
    public TimeSpan? Age { get; init; }

    /// <summary>How much a server lets all ended runs keep together, in bytes; null, the default, for no bound. 1 MiB
    /// to 1 PiB. <c>BERTH_RETENTION_BYTES</c>.</summary>
    public long? Bytes { get; init; }
}
