using System.Globalization;

namespace Berth.Engine.Budgets;

/// <summary>What model calls came to, or what some may come to at most.</summary>
/// <param name="Calls">Calls of the model that were answered, subagents' too.</param>
/// <param name="Turns">Whole answers in the main conversation; subagents' are none.</param>
/// <param name="Tokens">Tokens read and written, cached ones included.</param>
/// <param name="Usd">US dollars.</param>
/// <param name="WallMs">Milliseconds of work.</param>
internal sealed record Spending(long Calls = 0, long Turns = 0, long Tokens = 0, decimal Usd = 0, long WallMs = 0)
{
    /// <summary>Nothing.</summary>
    public static Spending None { get; } = new();

    /// <summary>The sum of two.</summary>
    public static Spending operator +(Spending a, Spending b) => new(
        a.Calls + b.Calls, a.Turns + b.Turns, a.Tokens + b.Tokens, a.Usd + b.Usd, a.WallMs + b.WallMs);

    /// <summary>What is left of one where the other is taken away.</summary>
    public static Spending operator -(Spending a, Spending b) => new(
        a.Calls - b.Calls, a.Turns - b.Turns, a.Tokens - b.Tokens, a.Usd - b.Usd, a.WallMs - b.WallMs);
}

/// <summary>A unit in which a budget is kept.</summary>
internal enum BudgetUnit
{
    Turns,
    Tokens,
    Usd,
    WallTime,
}

/// <summary>How much may be spent; null for no limit.</summary>
internal sealed record BudgetLimits
{
    /// <summary>No limit at all.</summary>
    public static BudgetLimits None { get; } = new();

    public long? Turns { get; init; }

    public long? Tokens { get; init; }

    /// <summary>US dollars.</summary>
    public decimal? Usd { get; init; }

    /// <summary>Milliseconds of work.</summary>
    public long? WallMs { get; init; }

    /// <summary>Whether there is any.</summary>
    public bool HasAny => Turns is not null || Tokens is not null || Usd is not null || WallMs is not null;

    /// <summary>The first unit of which nothing is left, or null.</summary>
    public BudgetUnit? FindSpent(Spending spent) => this switch
    {
        { Turns: { } turns } when spent.Turns >= turns => BudgetUnit.Turns,
        { Tokens: { } tokens } when spent.Tokens >= tokens => BudgetUnit.Tokens,
        { Usd: { } usd } when spent.Usd >= usd => BudgetUnit.Usd,
        { WallMs: { } time } when spent.WallMs >= time => BudgetUnit.WallTime,
        _ => null,
    };

    /// <summary>A limit in words, such as <c>$1.50</c>.</summary>
    public string TextOf(BudgetUnit unit) => Text(
        unit, new Spending(0, Turns ?? 0, Tokens ?? 0, Usd ?? 0, WallMs ?? 0));

    /// <summary>An amount in words.</summary>
    public static string Text(BudgetUnit unit, Spending spent) => unit switch
    {
        BudgetUnit.Turns => Words($"{spent.Turns} turns"),
        BudgetUnit.Tokens => Words($"{spent.Tokens} tokens"),
        BudgetUnit.Usd => Words($"${spent.Usd:0.00######}"),
        _ => Words($"{spent.WallMs / 1000} s of work"),
    };

    private static string Words(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
