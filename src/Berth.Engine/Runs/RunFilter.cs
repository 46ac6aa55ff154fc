namespace Berth.Engine.Runs;

/// <summary>A run that waits for a place, with what the choice among them goes by.</summary>
/// <param name="Id">The run.</param>
/// <param name="Workflow">Its workflow.</param>
/// <param name="Repository">Its repository.</param>
/// <param name="Priority">Higher waits less.</param>
/// <param name="IsCancelled">Whether a stop was asked for: then it needs no place, only an end.</param>
/// <param name="IsTaken">Whether it is this home's already.</param>
internal sealed record WaitingRun(
    string Id, string Workflow, string Repository, int Priority, bool IsCancelled, bool IsTaken = true);

/// <summary>Which runs, and which page of them. Null is any.</summary>
internal sealed record RunFilter
{
    /// <summary>The longest page.</summary>
    public const int MostOnPage = 500;

    /// <summary>One of these states.</summary>
    public IReadOnlyList<RunState> States { get; init; } = [];

    public string? Workflow { get; init; }

    public string? Mode { get; init; }

    public string? Repository { get; init; }

    /// <summary>The token's name that it was asked for with.</summary>
    public string? Owner { get; init; }

    /// <summary>Labels that it has, all of them.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Labels { get; init; } = [];

    /// <summary>Created at this time or later.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Created before this time.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Still open, or ended at this time or later.</summary>
    public DateTimeOffset? OpenOrEndedSince { get; init; }

    /// <summary>The last run of the page before this one.</summary>
    public string? After { get; init; }

    /// <summary>Default: the newest first.</summary>
    public bool OldestFirst { get; init; }

    /// <summary>1 to <see cref="MostOnPage"/>. Default 50.</summary>
    public int Limit { get; init; } = 50;
}
