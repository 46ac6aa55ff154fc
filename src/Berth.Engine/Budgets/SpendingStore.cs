using System.Data.Common;
using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Budgets;

/// <summary>A change of what a run has spent on a day.</summary>
/// <param name="Day">The day.</param>
/// <param name="Used">What was spent.</param>
/// <param name="Released">What had been set aside for it, and no longer is.</param>
internal sealed record SpendingChange(string Day, Spending Used, Spending Released)
{
    /// <summary>Makes one of all of a day, so that what waits stays small.</summary>
    public static void Join(List<SpendingChange> changes)
    {
        var joined = changes.GroupBy(change => change.Day, StringComparer.Ordinal)
            .Select(day => day.Aggregate((a, b) => new(a.Day, a.Used + b.Used, a.Released + b.Released)))
            .ToList();
        changes.Clear();
        changes.AddRange(joined);
    }
}

/// <summary>What came of setting something aside; neither reserved nor stopped where other calls have to end
/// first.</summary>
internal sealed record ReserveDecision(bool IsReserved, BudgetStop? Stop = null);

/// <summary>What one workflow, repository or owner, or all together, have spent on a day.</summary>
internal sealed record DaySpending(string Name, Spending Spent);

/// <summary>The table of what runs have spent, by day.</summary>
internal sealed class SpendingStore(Database database, TimeProvider time)
{
    private const decimal Nano = 1_000_000_000m;

    // What the column can hold of one call, and still be added to others.
    private const decimal MostUsd = 1_000_000m;

    // A call that goes on for longer than this belongs to a host that is no more.
    private static readonly TimeSpan ReservationLife = TimeSpan.FromHours(2);

    private static readonly string Columns = string.Join(", ", Sums.Split(", ").Select(column =>
        $"coalesce(cast(sum({column}) as bigint), 0)"));

    private const string Sums = "calls, turns, tokens, nano_usd, wall_ms";

    /// <summary>The day that it is, which begins at midnight UTC.</summary>
    public string Today => SharedBudgets.DayOf(time.GetUtcNow());

    /// <summary>Sets aside what a call may come to, where each budget has something left.</summary>
    /// <param name="spender">Who makes it.</param>
    /// <param name="day">The day that it belongs to.</param>
    /// <param name="rules">The budgets that concern the spender.</param>
    /// <param name="most">What it may come to at most.</param>
    /// <param name="changes">What is noted before, in the same transaction.</param>
    public ReserveDecision Reserve(
        Spender spender, string day, IReadOnlyList<BudgetRule> rules, Spending most,
        IReadOnlyList<SpendingChange> changes)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        Change(connection, spender, changes);
        var decision = Decide(connection, spender, day, rules);
        if (decision.IsReserved)
        {
            Add(connection, spender, day, Spending.None, most);
        }

        transaction.Commit();
        return decision;
    }

    /// <summary>Notes changes: all of them or none.</summary>
    public void Change(Spender spender, IReadOnlyList<SpendingChange> changes)
    {
        using var connection = database.Connect();
        if (changes.Count == 1)
        {
            // One statement, and nobody has to wait for the lock that all share.
            Change(connection, spender, changes);
            return;
        }

        using var transaction = database.BeginAlone(connection);
        Change(connection, spender, changes);
        transaction.Commit();
    }

    /// <summary>Forgets the days before a day.</summary>
    public void Forget(string day) => database.Execute("delete from spending where day < @day", ("day", day));

    /// <summary>Forgets what was set aside for calls of a run: it makes none at this moment.</summary>
    public void Release(string runId) => database.Execute(
        """
        update spending set reserved_turns = 0, reserved_tokens = 0, reserved_nano_usd = 0
        where run_id = @id and (reserved_turns <> 0 or reserved_tokens <> 0 or reserved_nano_usd <> 0)
        """,
        ("id", runId));

    /// <summary>The first budget of which nothing is left, or null.</summary>
    public BudgetStop? FindSpent(Spender spender, string day, IReadOnlyList<BudgetRule> rules)
    {
        using var connection = database.Connect();
        return rules.Select(rule => StopOf(rule, spender, Sum(connection, rule, spender, day).Spent))
            .FirstOrDefault(stop => stop is not null);
    }

    /// <summary>What was spent on a day by each of a scope.</summary>
    public IReadOnlyList<DaySpending> List(BudgetScope scope, string day, int limit)
    {
        var group = ColumnOf(scope);
        return database.Query(
            $"select {group ?? "''"}, {Columns} from spending where day = @day "
                + $"{(group is null ? string.Empty : $"group by {group} order by sum(nano_usd) desc, {group}")} "
                + "limit @limit",
            row => new DaySpending(row.GetString(0), Read(row, 1)),
            ("day", day),
            ("limit", limit));
    }

    /// <summary>What was spent on a day by one of a scope, or by all.</summary>
    public Spending SpentOf(BudgetScope scope, string? name, string day)
    {
        using var connection = database.Connect();
        return Sum(connection, scope, name, day).Spent;
    }

    private ReserveDecision Decide(
        DbConnection connection, Spender spender, string day, IReadOnlyList<BudgetRule> rules)
    {
        var isFree = true;
        foreach (var rule in rules)
        {
            var (spent, reserved) = Sum(connection, rule, spender, day);
            if (StopOf(rule, spender, spent) is { } stop)
            {
                return new ReserveDecision(false, stop);
            }

            isFree &= rule.Limits.FindSpent(spent + reserved) is null;
        }

        return new ReserveDecision(isFree);
    }

    private static BudgetStop? StopOf(BudgetRule rule, Spender spender, Spending spent) =>
        rule.Limits.FindSpent(spent) is { } unit
            ? new BudgetStop(
                rule.Scope, rule.NameFor(spender), unit, rule.Limits.TextOf(unit), BudgetLimits.Text(unit, spent))
            : null;

    private (Spending Spent, Spending Reserved) Sum(
        DbConnection connection, BudgetRule rule, Spender spender, string day) =>
        Sum(connection, rule.Scope, rule.NameFor(spender), day);

    private (Spending Spent, Spending Reserved) Sum(
        DbConnection connection, BudgetScope scope, string? name, string day)
    {
        var column = ColumnOf(scope);

        return Database.Query(
            connection,
            $"""
            select {Columns},
                coalesce(cast(sum(case when reserved_at > @stale then reserved_turns else 0 end) as bigint), 0),
                coalesce(cast(sum(case when reserved_at > @stale then reserved_tokens else 0 end) as bigint), 0),
                coalesce(cast(sum(case when reserved_at > @stale then reserved_nano_usd else 0 end) as bigint), 0)
            from spending where day = @day {(column is null ? string.Empty : $"and {column} = @name")}
            """,
            row => (Read(row, 0), new Spending(0, row.GetInt64(5), row.GetInt64(6), row.GetInt64(7) / Nano)),
            ("day", day),
            ("name", name),
            ("stale", Text(time.GetUtcNow() - ReservationLife)))[0];
    }

    private static Spending Read(DbDataReader row, int first) => new(
        row.GetInt64(first), row.GetInt64(first + 1), row.GetInt64(first + 2), row.GetInt64(first + 3) / Nano,
        row.GetInt64(first + 4));

    private void Change(DbConnection connection, Spender spender, IReadOnlyList<SpendingChange> changes)
    {
        foreach (var change in changes)
        {
            Add(connection, spender, change.Day, change.Used, Spending.None - change.Released);
        }
    }

    private void Add(DbConnection connection, Spender spender, string day, Spending used, Spending reserved) =>
        Database.Execute(
            connection,
            """
            insert into spending (day, run_id, workflow, repository, owner, calls, turns, tokens, nano_usd, wall_ms,
                reserved_turns, reserved_tokens, reserved_nano_usd, reserved_at)
            values (@day, @id, @workflow, @repository, @owner, @calls, @turns, @tokens, @usd, @wall,
                @heldTurns, @heldTokens, @heldUsd, @now)
            on conflict (day, run_id) do update set
                calls = spending.calls + excluded.calls,
                turns = spending.turns + excluded.turns,
                tokens = spending.tokens + excluded.tokens,
                nano_usd = spending.nano_usd + excluded.nano_usd,
                wall_ms = spending.wall_ms + excluded.wall_ms,
                reserved_turns = spending.reserved_turns + excluded.reserved_turns,
                reserved_tokens = spending.reserved_tokens + excluded.reserved_tokens,
                reserved_nano_usd = spending.reserved_nano_usd + excluded.reserved_nano_usd,
                reserved_at = excluded.reserved_at
            """,
            ("day", day),
            ("id", spender.RunId),
            ("workflow", spender.Workflow),
            ("repository", spender.Repository),
            ("owner", spender.Owner),
            ("calls", used.Calls),
            ("turns", used.Turns),
            ("tokens", used.Tokens),
            ("usd", Rounded(used.Usd)),
            ("wall", used.WallMs),
            ("heldTurns", reserved.Turns),
            ("heldTokens", reserved.Tokens),
            ("heldUsd", Rounded(reserved.Usd)),
            ("now", Text(time.GetUtcNow())));

    // Away from zero: what is given back is what was set aside, and nothing costs less than it does.
    private static long Rounded(decimal usd)
    {
        var bounded = Math.Clamp(usd, -MostUsd, MostUsd) * Nano;
        return (long)(bounded >= 0 ? Math.Ceiling(bounded) : Math.Floor(bounded));
    }

    private static string? ColumnOf(BudgetScope scope) => scope switch
    {
        BudgetScope.Run => "run_id",
        BudgetScope.Workflow => "workflow",
        BudgetScope.Repository => "repository",
        BudgetScope.Owner => "owner",
        _ => null,
    };

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
