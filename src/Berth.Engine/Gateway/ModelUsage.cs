namespace Berth.Engine.Gateway;

/// <summary>What passed through a gateway.</summary>
/// <param name="Requests">Calls that the upstream answered with success.</param>
/// <param name="InputTokens">Tokens read, cached ones included.</param>
/// <param name="OutputTokens">Tokens written.</param>
/// <param name="Refusals">Calls that were refused for good.</param>
internal sealed record ModelUsage(long Requests = 0, long InputTokens = 0, long OutputTokens = 0, long Refusals = 0)
{
    /// <summary>The sum of two.</summary>
    public static ModelUsage operator +(ModelUsage a, ModelUsage b) => new(
        a.Requests + b.Requests, a.InputTokens + b.InputTokens, a.OutputTokens + b.OutputTokens,
        a.Refusals + b.Refusals);
}
