using Berth.Engine.Runs;

namespace Berth.Remote;

/// <summary>Which runs a list has; newest first.</summary>
internal sealed record RunSelection
{
    /// <summary>How many are listed unless somebody says.</summary>
    public const int DefaultLimit = 1000;

    /// <summary>The most that can be listed at once.</summary>
    public const int MostListed = 10_000;

    /// <summary>How old a run that has ended may be, unless <see cref="All"/> are asked for.</summary>
    public static readonly TimeSpan Recent = TimeSpan.FromHours(24);

    /// <summary>One of these; none for any.</summary>
    public IReadOnlyList<RunState> States { get; init; } = [];

    public string? Workflow { get; init; }

    /// <summary>Labels that it has, all of them.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Labels { get; init; } = [];

    /// <summary>However long ago they ended.</summary>
    public bool All { get; init; }

    /// <summary>1 to <see cref="MostListed"/>, and one more to see whether there are more.</summary>
    public int Limit { get; init; } = DefaultLimit;

    /// <summary>Whether a run is among them, but for how many there are.</summary>
    public bool Includes(RunView run, DateTimeOffset now) => All || !(run.FinishedAt < now - Recent);
}
