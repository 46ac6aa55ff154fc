namespace Berth.Engine.Webhooks;

/// <summary>What can be told of a run, in the order in which it happens.</summary>
internal static class WebhookEvents
{
    public const string Accepted = "run.accepted";

    /// <summary>It was given its place.</summary>
    public const string Started = "run.started";

    /// <summary>It is final, whatever it came to.</summary>
    public const string Finished = "run.finished";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Accepted, Started, Finished];

    /// <summary>What has become true of a run and was not noted yet, with when it did.</summary>
    public static IEnumerable<(string Type, DateTimeOffset At)> NewOf(UntoldRun run)
    {
        if (run.Told < 1)
        {
            yield return (Accepted, run.CreatedAt);
        }

        if (run.Told < 2 && run.StartedAt is { } started)
        {
            yield return (Started, started);
        }

        if (run.FinishedAt is { } finished)
        {
            yield return (Finished, finished);
        }
    }

    /// <summary>How much of a run is noted when all that is true of it now is.</summary>
    public static int LevelOf(UntoldRun run) => run switch
    {
        { FinishedAt: not null } => UntoldRun.Everything,
        { StartedAt: not null } => 2,
        _ => 1,
    };
}

/// <summary>A run of which something is true that was not noted yet.</summary>
/// <param name="Id">The run.</param>
/// <param name="Told">How much was: of nothing, that it was accepted, that it was started, everything.</param>
/// <param name="CreatedAt">When it was accepted.</param>
/// <param name="StartedAt">When it was given its place, or null.</param>
/// <param name="FinishedAt">When it became final, or null.</param>
internal sealed record UntoldRun(
    string Id, int Told, DateTimeOffset CreatedAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt)
{
    /// <summary>The last of the levels.</summary>
    public const int Everything = 3;
}

/// <summary>A message to one receiver.</summary>
/// <param name="Id">The same at each try, and for each receiver.</param>
/// <param name="Receiver">For whom: see <see cref="WebhookReceiver"/>.</param>
/// <param name="RunId">The run.</param>
/// <param name="Type">What is told.</param>
/// <param name="Body">What is sent, at each try the same.</param>
/// <param name="DueAt">When it is tried next.</param>
internal sealed record WebhookMessage(
    string Id, string Receiver, string RunId, string Type, string Body, DateTimeOffset DueAt)
{
    /// <summary>How often it was tried.</summary>
    public int Tries { get; init; }
}
