namespace Berth.Engine.Gateway;

/// <summary>What passed through a gateway.</summary>
/// <param name="Requests">Calls that were sent, but for those that the upstream refused.</param>
/// <param name="InputTokens">Tokens read, cached ones included.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="Refusals">Calls that were refused for good.</param>
internal sealed record ModelUsage(long Requests = 0, long InputTokens = 0, long OutputTokens = 0, long Refusals = 0)
{
    /// <summary>Of the tokens read, those that came from the cache.</summary>
    public long CacheReadTokens { get; init; }

    /// <summary>Of the tokens read, those that were written to the cache.</summary>
    public long CacheWriteTokens { get; init; }

    /// <summary>Of those, the ones that are kept for an hour.</summary>
    public long CacheWrite1hTokens { get; init; }

    /// <summary>Searches of the web that the model's service made.</summary>
    public long WebSearches { get; init; }

    /// <summary>Whole answers in the main conversation.</summary>
    public long Turns { get; init; }

    /// <summary>What it cost, in US dollars, by <see cref="ModelPrices"/>.</summary>
    public decimal CostUsd { get; init; }

    /// <summary>Of the requests, those whose real usage nobody learnt: they count as the most they could come
    /// to.</summary>
    public long EstimatedCalls { get; init; }

    /// <summary>Of the cost, what is such an estimate.</summary>
    public decimal EstimatedCostUsd { get; init; }

    /// <summary>What a call is charged where nobody learns what it came to.</summary>
    public static ModelUsage Estimate(long input, long output, decimal cost) =>
        new(1, input, output) { CostUsd = cost, EstimatedCalls = 1, EstimatedCostUsd = cost };

    /// <summary>The sum of two.</summary>
    public static ModelUsage operator +(ModelUsage a, ModelUsage b) => new(
        a.Requests + b.Requests, a.InputTokens + b.InputTokens, a.OutputTokens + b.OutputTokens,
        a.Refusals + b.Refusals)
    {
        CacheReadTokens = a.CacheReadTokens + b.CacheReadTokens,
        CacheWriteTokens = a.CacheWriteTokens + b.CacheWriteTokens,
        CacheWrite1hTokens = a.CacheWrite1hTokens + b.CacheWrite1hTokens,
        WebSearches = a.WebSearches + b.WebSearches,
        Turns = a.Turns + b.Turns,
        CostUsd = a.CostUsd + b.CostUsd,
        EstimatedCalls = a.EstimatedCalls + b.EstimatedCalls,
        EstimatedCostUsd = a.EstimatedCostUsd + b.EstimatedCostUsd,
    };
}
