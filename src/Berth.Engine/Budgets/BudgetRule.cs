namespace Berth.Engine.Budgets;

/// <summary>A budget for each day, which begins at midnight UTC.</summary>
/// <param name="Scope">Whose runs spend of it.</param>
/// <param name="Name">Which workflow, repository or owner; null where each has one for itself.</param>
/// <param name="Limits">How much there is.</param>
internal sealed record BudgetRule(BudgetScope Scope, string? Name, BudgetLimits Limits)
{
    /// <summary>Whether a run spends of it.</summary>
    public bool Concerns(Spender spender) =>
        Name is null || string.Equals(Name, NameOf(spender), StringComparison.Ordinal);

    /// <summary>Whose part of it a run spends of; null for all.</summary>
    public string? NameFor(Spender spender) => Name ?? NameOf(spender);

    private string? NameOf(Spender spender) => Scope switch
    {
        BudgetScope.Workflow => spender.Workflow,
        BudgetScope.Repository => spender.Repository,
        BudgetScope.Owner => spender.Owner,
        _ => null,
    };
}
