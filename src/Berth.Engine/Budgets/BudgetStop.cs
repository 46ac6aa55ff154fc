using Berth.Protocol;

namespace Berth.Engine.Budgets;

/// <summary>Whose spending a budget counts.</summary>
internal enum BudgetScope
{
    /// <summary>One run, and for tokens and money those whose conversation it goes on with.</summary>
    Run,
    Workflow,
    Repository,
    Owner,
    All,
}

/// <summary>A budget of which nothing was left.</summary>
/// <param name="Scope">Whose it is.</param>
/// <param name="Name">Which workflow, repository or owner; null for a run and for all.</param>
/// <param name="Unit">What ran out.</param>
/// <param name="Limit">How much there was, in words.</param>
/// <param name="Spent">How much of it was spent, in words.</param>
internal sealed record BudgetStop(BudgetScope Scope, string? Name, BudgetUnit Unit, string Limit, string Spent)
{
    private const string Kept = "What it had done until then is kept";

    /// <summary>The code of refusals before a run.</summary>
    public const string SpentCode = "budget_spent";

    /// <summary>One sentence.</summary>
    public string Message => Scope == BudgetScope.Run
        ? $"The run's budget of {Limit} is spent: {Spent}."
        : $"Today's budget of {Limit} for {Owner} is spent: {Spent}.";

    private string Owner => Scope == BudgetScope.All
        ? "all runs"
        : $"the {Scope.ToString().ToLowerInvariant()} {Name}";

    /// <summary>What it means for the run that was stopped.</summary>
    public Failure ToFailure(string runId) => (Scope, Unit) switch
    {
        (BudgetScope.Run, BudgetUnit.Turns) => new(
            "max_turns_reached",
            Message,
            $"Go on with --continue {runId} --max-turns N. {Kept}.",
            Fault.Nobody),
        (BudgetScope.Run, BudgetUnit.Tokens) => new(
            "max_tokens_reached",
            Message,
            $"Go on with --continue {runId} --max-tokens N, more than that: N counts the whole conversation. {Kept}.",
            Fault.Nobody),
        (BudgetScope.Run, _) => new(
            "budget_reached",
            Message,
            $"Go on with --continue {runId} --max-budget-usd N, more than that: N counts the whole conversation. "
                + $"{Kept}.",
            Fault.Nobody),
        _ => new(
            "day_budget_reached",
            Message,
            $"Go on with --continue {runId} after midnight UTC, or have the operator raise it. {Kept}.",
            Fault.Operator),
    };

    /// <summary>What it means for a run that is asked for.</summary>
    public Failure ToRefusal() => Scope == BudgetScope.Run
        ? new(
            SpentCode,
            $"The conversation has spent the run's whole budget of {Limit} already: {Spent}.",
            Unit == BudgetUnit.Tokens
                ? "Ask for more than that with --max-tokens N."
                : "Ask for more than that with --max-budget-usd N.",
            Fault.User)
        : new(
            SpentCode,
            Message,
            "It is free again at midnight UTC; berth budget shows it. The operator can raise it.",
            Fault.User);
}
