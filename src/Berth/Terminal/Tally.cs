namespace Berth.Terminal;

/// <summary>What a run has come to so far, as its journal tells; for people who watch, not for the record.</summary>
internal sealed class Tally
{
    /// <summary>The phase, or null before the first.</summary>
    public string? Phase { get; set; }

    /// <summary>When the phase began.</summary>
    public DateTimeOffset PhaseSince { get; set; }

    /// <summary>The model's replies.</summary>
    public int Turns { get; set; }

    /// <summary>Tokens that went to the model and came back, the cached ones too.</summary>
    public long Tokens { get; set; }

    /// <summary>US dollars; known with each result of the agent, not before.</summary>
    public decimal? CostUsd { get; set; }

    /// <summary>The tool calls that have no result yet, the latest last.</summary>
    public IReadOnlyList<string> OpenCalls { get; set; } = [];

    /// <summary>All of it in one row.</summary>
    public string Row(TimeSpan elapsed, TimeSpan inPhase)
    {
        var parts = new List<string> { Amounts.Clock(elapsed) };
        if (Phase is not null)
        {
            parts.Add($"{Phase} {Amounts.Clock(inPhase)}");
        }

        if (Turns > 0)
        {
            parts.Add(Amounts.Of(Turns, "turn"));
            parts.Add($"{Amounts.Count(Tokens)} tokens");
        }

        if (CostUsd is { } cost)
        {
            parts.Add(Amounts.Dollars(cost));
        }

        if (OpenCalls is [.., var latest])
        {
            parts.Add(OpenCalls.Count == 1 ? latest : $"{latest} (and {OpenCalls.Count - 1} more)");
        }

        return string.Join(" · ", parts);
    }
}
