namespace Berth.Engine.Budgets;

/// <summary>A call of the model that was sent, or is about to be, and whose cost is not known yet.</summary>
/// <remarks>
/// Saved before the call is sent. A host that dies leaves it there, and the next host charges the whole of it.
/// </remarks>
/// <param name="Id">Unique within the run.</param>
/// <param name="Day">The day it is charged to.</param>
/// <param name="InputTokens">The most it can read.</param>
/// <param name="OutputTokens">The most it can write.</param>
/// <param name="CostUsd">The most it can cost, in US dollars.</param>
internal sealed record PendingCall(
    string Id, string? Day, long InputTokens, long OutputTokens, decimal CostUsd)
{
    /// <summary>What is charged where nobody learns what it really came to.</summary>
    public Spending Most => new(1, 0, InputTokens + OutputTokens, CostUsd);
}
