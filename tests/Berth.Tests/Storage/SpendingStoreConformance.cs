using Berth.Engine.Budgets;
using Berth.Engine.Storage;
using Xunit;

namespace Berth.Tests.Storage;

/// <summary>What the table of spending promises, in whichever database it is.</summary>
public abstract class SpendingStoreConformance
{
    private const string Day = "2026-11-22";
    private static readonly Spender Ada = new("r1", "fix", "/shop", "ada");
    private static readonly Spender Bob = new("r2", "fix", "/shop", "bob");
    private readonly Clock time = new();
    private SpendingStore? opened;

    private SpendingStore Store => opened ??= new SpendingStore(Open(), time);

    /// <summary>The database of this test.</summary>
    private protected abstract Database Open();

    [Fact]
    public void What_is_spent_adds_up_by_each_scope_and_day()
    {
        Store.Change(Ada, [new(Day, new(1, 1, 100, 0.000000011m, 50), Spending.None)]);
        Store.Change(Ada, [new(Day, new(1, 0, 10, 1.5m, 50), Spending.None), new("2026-11-23", new(1), Spending.None)]);
        Store.Change(Bob, [new(Day, new(2, 2, 7, 0.25m, 1), Spending.None)]);

        Assert.Equal(new Spending(2, 1, 110, 1.500000011m, 100), Store.SpentOf(BudgetScope.Owner, "ada", Day));
        Assert.Equal(new Spending(4, 3, 117, 1.750000011m, 101), Store.SpentOf(BudgetScope.Workflow, "fix", Day));
        Assert.Equal(Store.SpentOf(BudgetScope.Workflow, "fix", Day), Store.SpentOf(BudgetScope.All, null, Day));
        Assert.Equal(Spending.None, Store.SpentOf(BudgetScope.Repository, "/other", Day));
        Assert.Equal(["ada", "bob"], Store.List(BudgetScope.Owner, Day, 10).Select(one => one.Name));
        Assert.Equal(["ada"], Store.List(BudgetScope.Owner, Day, 1).Select(one => one.Name));
        Assert.Equal("2026-11-22", Store.Today);
    }

    [Fact]
    public void A_call_is_let_in_waits_or_is_stopped()
    {
        IReadOnlyList<BudgetRule> rules = [new(BudgetScope.All, null, new() { Tokens = 100 })];
        var most = new Spending(1, 1, 60, 0.5m);

        Assert.Equal(new ReserveDecision(true), Store.Reserve(Ada, Day, rules, most, []));
        Assert.Equal(new ReserveDecision(true), Store.Reserve(Bob, Day, rules, most, []));
        Assert.Equal(new ReserveDecision(false), Store.Reserve(Bob, Day, rules, most, []));
        Store.Change(Ada, [new(Day, new(1, 1, 50, 0), most)]);
        Assert.Equal(new ReserveDecision(false), Store.Reserve(Ada, Day, rules, most, []));
        var decision = Store.Reserve(Ada, Day, rules, most, [new(Day, new(1, 1, 50, 0), Spending.None)]);
        Assert.Equal(
            new BudgetStop(BudgetScope.All, null, BudgetUnit.Tokens, "100 tokens", "100 tokens"), decision.Stop);
        Assert.Equal(decision.Stop, Store.FindSpent(Bob, Day, rules));
        Assert.Null(Store.FindSpent(Bob, "2026-11-23", rules));
    }

    [Fact]
    public void Each_has_a_budget_for_itself_where_no_name_is_given()
    {
        IReadOnlyList<BudgetRule> rules = [new(BudgetScope.Owner, null, new() { Usd = 1 })];
        Store.Change(Ada, [new(Day, new(1, 1, 1, 1), Spending.None)]);

        Assert.Equal("ada", Store.Reserve(Ada, Day, rules, new(1), []).Stop?.Name);
        Assert.True(Store.Reserve(Bob, Day, rules, new(1), []).IsReserved);
    }

    [Fact]
    public void What_a_dead_host_had_set_aside_is_free_when_its_run_is_taken_over_and_after_a_while()
    {
        IReadOnlyList<BudgetRule> rules = [new(BudgetScope.All, null, new() { Tokens = 100 })];
        var most = new Spending(1, 1, 100, 0);
        Assert.True(Store.Reserve(Ada, Day, rules, most, []).IsReserved);
        Assert.False(Store.Reserve(Bob, Day, rules, most, []).IsReserved);
        Store.Release(Ada.RunId);
        Assert.True(Store.Reserve(Bob, Day, rules, most, []).IsReserved);
        Assert.False(Store.Reserve(Ada, Day, rules, most, []).IsReserved);
        time.Now += TimeSpan.FromHours(3);
        Assert.True(Store.Reserve(Ada, Day, rules, most, []).IsReserved);
    }

    [Fact]
    public void A_call_belongs_to_the_day_on_which_it_began_and_time_of_work_counts()
    {
        IReadOnlyList<BudgetRule> rules = [new(BudgetScope.All, null, new() { Tokens = 100, WallMs = 60_000 })];
        var shared = SharedBudgets.Open(Store, Ada, rules, time);
        time.Now = new(2026, 11, 22, 23, 59, 30, TimeSpan.Zero);
        var late = shared.TryEnter(new(1, 1, 100, 1))!;
        time.Now += TimeSpan.FromMinutes(1);
        var early = shared.TryEnter(new(1, 1, 100, 1))!;
        shared.Leave(late, new(1, 1, 99, 1));
        shared.Leave(early, new(1, 1, 50, 1));
        time.Ticks += TimeSpan.FromMinutes(2).Ticks;

        Assert.Equal(99, Store.SpentOf(BudgetScope.All, null, Day).Tokens);
        Assert.Equal(50, Store.SpentOf(BudgetScope.All, null, "2026-11-23").Tokens);
        Assert.Equal(BudgetUnit.WallTime, shared.TryEnter(new(1, 1, 1, 0))!.Stop!.Unit);
        shared.End();
        Assert.InRange(Store.SpentOf(BudgetScope.All, null, "2026-11-23").WallMs, 120_000, 180_000);
        Store.Forget("2026-11-23");
        Assert.Equal(0, Store.SpentOf(BudgetScope.All, null, Day).Tokens);
    }

    [Fact]
    public async Task Many_hosts_at_once_go_over_by_at_most_one_call()
    {
        IReadOnlyList<BudgetRule> rules = [new(BudgetScope.All, null, new() { Tokens = 400 })];
        var total = 0L;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(host => Task.Run(async () =>
        {
            var spender = new Spender($"r{host}", "fix", "/shop", "ada");
            var shared = SharedBudgets.Open(
                new SpendingStore(Open(), TimeProvider.System), spender, rules, TimeProvider.System);
            using var admission = new CallAdmission(BudgetLimits.None, Spending.None, shared, TimeProvider.System);
            while (true)
            {
                var entry = await admission.EnterAsync(new(1, 0, 100, 0), TestContext.Current.CancellationToken);
                if (entry.Stop is not null)
                {
                    return;
                }

                Interlocked.Add(ref total, 90);
                admission.Leave(entry, new(1, 0, 90, 0));
            }
        })));

        var day = SharedBudgets.DayOf(TimeProvider.System.GetUtcNow());
        Assert.InRange(total, 400, 489);
        Assert.Equal(total, Store.SpentOf(BudgetScope.All, null, day).Tokens);
    }

    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

        public long Ticks { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => Ticks;
    }
}
