using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What runs may spend: checks it when one is asked for, and gives its gateway what it has to keep.</summary>
internal sealed class RunBudgets(BerthOptions options, SpendingStore spending)
{
    private const int MostListed = 1000;

    /// <summary>The plan, with what the conversation that it goes on with has spent.</summary>
    /// <param name="plan">What was decided.</param>
    /// <param name="earlier">The run that it goes on with, or null.</param>
    /// <exception cref="FailureException"><c>budget_spent</c>, <c>max_tokens_invalid</c>, <c>budgets_invalid</c>,
    /// <c>budgets_unreadable</c>, <c>model_prices_invalid</c>, <c>model_prices_unreadable</c>.</exception>
    public RunPlan Checked(RunPlan plan, RunRecord? earlier)
    {
        if (plan.MaxTokens is < 1 or > WorkflowSettings.MostTokens)
        {
            throw new FailureException(
                "max_tokens_invalid", $"--max-tokens {plan.MaxTokens} is out of range.", "Use 1 to 1000000000000.",
                Fault.User);
        }

        _ = Prices();
        var before = earlier is null ? null : ConversationOf(earlier);
        var limits = LimitsOf(plan) with { Turns = null };
        if (before is not null && limits.FindSpent(before) is { } unit)
        {
            throw new FailureException(new BudgetStop(
                BudgetScope.Run, null, unit, limits.TextOf(unit), BudgetLimits.Text(unit, before)).ToRefusal());
        }

        var spender = SpenderOf(string.Empty, plan);
        IReadOnlyList<BudgetRule> rules = [.. Rules().Where(rule => rule.Concerns(spender))];
        if (spending.FindSpent(spender, spending.Today, rules) is { } stop)
        {
            throw new FailureException(stop.ToRefusal());
        }

        return plan with { SpentBefore = before, DayBudgets = rules };
    }

    /// <summary>What decides on a run's calls. Dispose of it when the run has ended.</summary>
    public CallAdmission AdmissionOf(string id, RunPlan plan, RunProgress progress, TimeProvider time)
    {
        var own = SpentBy(progress.Gateway);
        var before = plan.SpentBefore is { } earlier ? own with
        {
            Tokens = own.Tokens + earlier.Tokens,
            Usd = own.Usd + earlier.Usd,
        }
        : own;
        var shared = SharedBudgets.Open(spending, SpenderOf(id, plan), plan.DayBudgets, time);
        return new CallAdmission(LimitsOf(plan), before, shared, time);
    }

    /// <summary>Notes what calls of a host that died may have come to, by the days that they belong to.</summary>
    public void Charge(string id, RunPlan plan, IReadOnlyList<PendingCall> calls) => spending.Change(
        SpenderOf(id, plan),
        [.. calls.Select(call => new SpendingChange(call.Day ?? spending.Today, call.Most, Spending.None))]);

    /// <summary>The prices that hold here.</summary>
    /// <param name="isUnderWay">Whether an agent is at work already: a file that was spoilt since then does not end
    /// it, and it is reckoned with the built-in prices.</param>
    /// <exception cref="FailureException"><c>model_prices_invalid</c>, <c>model_prices_unreadable</c>.</exception>
    public ModelPrices Prices(bool isUnderWay = false)
    {
        try
        {
            return PriceFile.Read(options.ModelPrices);
        }
        catch (FailureException) when (isUnderWay)
        {
            return ModelPrices.Listed;
        }
    }

    /// <summary>Each budget of the operator's, and what of it is spent today.</summary>
    /// <exception cref="FailureException"><c>budgets_invalid</c>, <c>budgets_unreadable</c>.</exception>
    public BudgetReport Report()
    {
        var day = spending.Today;
        return new BudgetReport(day, [.. Rules().SelectMany(rule => Of(rule, day))]);
    }

    private IEnumerable<BudgetView> Of(BudgetRule rule, string day)
    {
        if (rule.Name is not null || rule.Scope == BudgetScope.All)
        {
            return [BudgetView.Of(rule, rule.Name, spending.SpentOf(rule.Scope, rule.Name, day))];
        }

        // Each has one for itself: those who spent of it today, and where nobody did, the rule alone.
        var spenders = spending.List(rule.Scope, day, MostListed);
        return spenders.Count == 0
            ? [BudgetView.Of(rule, null, Spending.None)]
            : spenders.Select(one => BudgetView.Of(rule, one.Name, one.Spent));
    }

    private IReadOnlyList<BudgetRule> Rules() => BudgetFile.Read(
        options.Budgets ?? Path.Combine(options.Home, "budgets.json"), options.Budgets is not null, RepositoryOf);

    private static BudgetLimits LimitsOf(RunPlan plan) => new()
    {
        Turns = plan.MaxTurns,
        Tokens = plan.MaxTokens,
        Usd = plan.MaxBudgetUsd,
    };

    // Tokens and money count for a conversation as a whole; a new message has turns of its own.
    private static Spending ConversationOf(RunRecord earlier)
    {
        var own = SpentBy(earlier.Progress.Gateway);
        if (own is { Usd: 0, Tokens: > 0 })
        {
            // A run of a version that did not count money itself.
            own = own with { Usd = earlier.Outcome?.CostUsd ?? 0 };
        }

        var all = (earlier.Plan.SpentBefore ?? Spending.None) + own;
        return all with { Turns = 0, WallMs = 0 };
    }

    private static Spending SpentBy(GatewayCounts counts) => new(
        counts.Requests, counts.Turns, counts.InputTokens + counts.OutputTokens, counts.CostUsd);

    private Spender SpenderOf(string id, RunPlan plan) => new(
        id, plan.Workflow, RepositoryOf(plan.Repository) ?? plan.Repository,
        plan.Ticket.CreatedBy ?? Spender.LocalOwner);

    // A URL is one however it is written; a path may lead nowhere, and is then itself.
    private string? RepositoryOf(string name)
    {
        try
        {
            return Path.IsPathRooted(name) && !Directory.Exists(name)
                ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(name))
                : RepositorySource.Parse(name, options.Home).Canonical;
        }
        catch (FailureException)
        {
            return null;
        }
    }
}

/// <summary>The budgets of a day.</summary>
/// <param name="Day">The day, which ends at midnight UTC.</param>
/// <param name="Budgets">Each of them.</param>
internal sealed record BudgetReport(string Day, IReadOnlyList<BudgetView> Budgets);

/// <summary>A budget, and what of it is spent.</summary>
internal sealed record BudgetView
{
    /// <summary>workflow, repository, owner or all.</summary>
    public required string Scope { get; init; }

    /// <summary>Which one; null for all, and where each has one for itself and nobody has spent of it.</summary>
    public string? Name { get; init; }

    public required string Period { get; init; }

    /// <summary>Null where it has no limit of turns.</summary>
    public BudgetAmount? Turns { get; init; }

    public BudgetAmount? Tokens { get; init; }

    /// <summary>US dollars.</summary>
    public BudgetAmount? Usd { get; init; }

    public BudgetAmount? WallSeconds { get; init; }

    /// <summary>Whether nothing is left of one of them, and runs are refused.</summary>
    public required bool IsSpent { get; init; }

    /// <summary>Makes the view of a rule.</summary>
    public static BudgetView Of(BudgetRule rule, string? name, Spending spent) => new()
    {
        Scope = rule.Scope.ToString().ToLowerInvariant(),
        Name = name,
        Period = "day",
        Turns = Amount(rule.Limits.Turns, spent.Turns),
        Tokens = Amount(rule.Limits.Tokens, spent.Tokens),
        Usd = Amount(rule.Limits.Usd, spent.Usd),
        WallSeconds = Amount(rule.Limits.WallMs / 1000m, spent.WallMs / 1000m),
        IsSpent = rule.Limits.FindSpent(spent) is not null,
    };

    private static BudgetAmount? Amount(decimal? limit, decimal spent) =>
        limit is { } most ? new BudgetAmount(most, spent, Math.Max(0, most - spent)) : null;
}

/// <summary>How much there is, was spent and is left.</summary>
internal sealed record BudgetAmount(decimal Limit, decimal Spent, decimal Left);
