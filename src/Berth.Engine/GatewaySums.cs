using Berth.Engine.Gateway;
using Berth.Engine.Runs;

namespace Berth.Engine;

/// <summary>Adds up what the gateways of a run have counted, one host after the other.</summary>
internal static class GatewaySums
{
    /// <summary>What earlier hosts had counted, and what this one has.</summary>
    public static GatewayCounts Plus(this GatewayCounts before, ModelUsage more) => before with
    {
        Requests = before.Requests + more.Requests,
        InputTokens = before.InputTokens + more.InputTokens,
        OutputTokens = before.OutputTokens + more.OutputTokens,
        Refusals = before.Refusals + more.Refusals,
        CacheReadTokens = before.CacheReadTokens + more.CacheReadTokens,
        CacheWriteTokens = before.CacheWriteTokens + more.CacheWriteTokens,
        CacheWrite1hTokens = before.CacheWrite1hTokens + more.CacheWrite1hTokens,
        Turns = before.Turns + more.Turns,
        CostUsd = before.CostUsd + more.CostUsd,
        EstimatedCalls = before.EstimatedCalls + more.EstimatedCalls,
        EstimatedCostUsd = before.EstimatedCostUsd + more.EstimatedCostUsd,
    };

    /// <summary>Charges the calls that a host had sent when it died: nobody will learn what they came to.</summary>
    /// <remarks>
    /// The day's budgets come first: a host that dies between the two lines charges them twice, and not never.
    /// </remarks>
    public static void ChargeCallsOfDeadHost(this RunFlow flow, RunBudgets budgets)
    {
        if (flow.Progress.PendingCalls is not { Count: > 0 } pending)
        {
            return;
        }

        budgets.Charge(flow.Id, flow.Plan, pending);
        flow.Save(progress => progress with
        {
            Gateway = pending.Aggregate(progress.Gateway, (sum, call) => sum.Plus(
                ModelUsage.Estimate(call.InputTokens, call.OutputTokens, call.CostUsd))),
            PendingCalls = [],
        });
    }
}
