using Berth.Engine.Runs;

namespace Berth.Server.Telemetry;

/// <summary>When a run was in a phase.</summary>
/// <param name="Name">The phase: <c>queue</c>, <c>prepare</c>, <c>start</c>, <c>run</c>, <c>capture</c>,
/// <c>deliver</c>, <c>push</c>, <c>cleanup</c>.</param>
/// <param name="From">When it began.</param>
/// <param name="Took">How long it took.</param>
internal sealed record PhaseSpan(string Name, DateTimeOffset From, TimeSpan Took)
{
    /// <summary>The name of the time before a run is given its place.</summary>
    public const string Queue = "queue";

    /// <summary>When it ended.</summary>
    public DateTimeOffset To => From + Took;

    /// <summary>The phases of an ended run, of which both begin and length are recorded.</summary>
    public static IReadOnlyList<PhaseSpan> Of(RunRecord run)
    {
        var (begun, took) = (run.Progress.Begun, run.Progress.Phases);
        var placed = run.StartedAt ?? run.FinishedAt ?? run.CreatedAt;
        PhaseSpan?[] all =
        [
            new(Queue, run.CreatedAt, placed - run.CreatedAt),
            Between("prepare", begun.Prepare, took.Prepare),
            Between("start", begun.Start, took.Start),
            Between("run", begun.Run, took.Run),

            // The supervisor captures as soon as the agent has ended; the host then takes the work over.
            Between("capture", begun.Run?.AddMilliseconds(took.Run ?? 0), took.Capture),
            Between("deliver", begun.Deliver, took.Deliver),
            Between("push", begun.Push, took.Push),
            Between("cleanup", begun.Cleanup, took.Cleanup),
        ];
        return [.. all.OfType<PhaseSpan>()];
    }

    private static PhaseSpan? Between(string name, DateTimeOffset? from, long? milliseconds) =>
        from is { } began && milliseconds is { } took
            ? new PhaseSpan(name, began, TimeSpan.FromMilliseconds(took))
            : null;
}
