using System.Text.Json;
using System.Text.Json.Nodes;
using Berth.Engine.Budgets;
using Berth.Engine.Runs;
using Berth.Tests.Runs;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Berth.Tests.Budgets;

public sealed class CallAdmissionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Calls_go_until_nothing_is_left_and_then_the_budget_is_named()
    {
        var admission = Of(new() { Tokens = 100, Usd = 5 });
        for (var i = 0; i < 3; i++)
        {
            var entry = await admission.EnterAsync(new(1, 1, 60, 1), Cancel);
            Assert.Null(entry.Stop);
            admission.Leave(entry, new(1, 1, 40, 0.5m));
        }

        var refused = await admission.EnterAsync(new(1, 1, 60, 1), Cancel);
        Assert.Equal(
            new BudgetStop(BudgetScope.Run, null, BudgetUnit.Tokens, "100 tokens", "120 tokens"), refused.Stop);
        Assert.Equal("max_tokens_reached", refused.Stop!.ToFailure("r").Code);
    }

    [Fact]
    public async Task What_was_spent_before_counts()
    {
        var admission = Of(new() { Usd = 5 }, new Spending(Usd: 4.5m));
        var entry = await admission.EnterAsync(new(1, 1, 60, 1), Cancel);
        admission.Leave(entry, new(1, 1, 40, 0.5m));

        Assert.Equal(BudgetUnit.Usd, (await admission.EnterAsync(new(1, 1, 60, 1), Cancel)).Stop?.Unit);
    }

    [Fact]
    public async Task Near_the_limit_a_call_waits_for_those_in_flight_and_the_first_to_come_is_the_first_to_go()
    {
        var admission = Of(new() { Tokens = 100 });
        var first = await admission.EnterAsync(new(1, 1, 90, 0), Cancel);
        var second = await admission.EnterAsync(new(1, 1, 90, 0), Cancel);
        var third = admission.EnterAsync(new(1, 1, 90, 0), Cancel);
        var fourth = admission.EnterAsync(new(1, 1, 1, 0), Cancel);

        Assert.False(third.IsCompleted);
        Assert.False(fourth.IsCompleted);
        admission.Leave(first, new(1, 1, 10, 0));
        admission.Leave(second, new(1, 1, 10, 0));
        var entered = await third.WaitAsync(Patience, Cancel);
        Assert.Null(entered.Stop);
        Assert.False(fourth.IsCompleted);
        admission.Leave(entered, new(1, 1, 10, 0));
        Assert.Null((await fourth.WaitAsync(Patience, Cancel)).Stop);
    }

    [Fact]
    public async Task Whoever_gives_up_waiting_is_forgotten()
    {
        using var impatient = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var admission = Of(new() { Tokens = 100 });
        var first = await admission.EnterAsync(new(1, 1, 100, 0), Cancel);
        var second = admission.EnterAsync(new(1, 1, 100, 0), impatient.Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        admission.Leave(first, new(1, 1, 10, 0));

        Assert.Null((await admission.EnterAsync(new(1, 1, 100, 0), Cancel)).Stop);
    }

    [Fact]
    public void Turns_are_those_of_the_main_conversation()
    {
        var admission = Of(new() { Turns = 1 });
        var subagents = Enumerable.Range(0, 5).Select(_ => admission.TryEnter(new(1, 0, 10, 1))!).ToList();
        Assert.All(subagents, entry => Assert.Null(entry.Stop));
        foreach (var entry in subagents)
        {
            admission.Leave(entry, new(1, 0, 10, 1));
        }

        admission.Leave(admission.TryEnter(new(1, 1, 10, 1))!, new(1, 1, 10, 1));
        Assert.Equal(BudgetUnit.Turns, admission.TryEnter(new(1, 1, 10, 1))!.Stop!.Unit);
    }

    // Whatever order calls come and go in, and whatever they cost of what was set aside for them.
    [Fact]
    public void At_most_one_call_goes_over_and_only_by_itself() => Check.QuickThrowOnFailure(Prop.ForAll(
        ArbMap.Default.ArbFor<(NonNegativeInt Most, NonNegativeInt Used, bool Ends)[]>(),
        ArbMap.Default.ArbFor<PositiveInt>(),
        (steps, limit) =>
        {
            var admission = Of(new() { Tokens = limit.Get * 3 });
            var inFlight = new Queue<(CallEntry Entry, long Used)>();
            var spent = new List<long>();
            foreach (var (most, used, ends) in steps)
            {
                if (ends && inFlight.TryDequeue(out var call))
                {
                    Leave(call);
                }
                else if (admission.TryEnter(new(1, 1, most.Get + 1, 0)) is { Stop: null } entry)
                {
                    inFlight.Enqueue((entry, used.Get % (most.Get + 2)));
                }
            }

            while (inFlight.TryDequeue(out var call))
            {
                Leave(call);
            }

            return spent.Count == 0 || spent.Sum() - spent.Max() < limit.Get * 3;

            void Leave((CallEntry Entry, long Used) call)
            {
                admission.Leave(call.Entry, new(1, 1, call.Used, 0));
                spent.Add(call.Used);
            }
        }));

    [Fact]
    public async Task Many_callers_at_once_go_over_by_at_most_one_call()
    {
        var admission = Of(new() { Tokens = 1000 });
        var total = 0L;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(
            async () =>
            {
                while (true)
                {
                    var entry = await admission.EnterAsync(new(1, 0, 100, 0), Cancel);
                    if (entry.Stop is not null)
                    {
                        return;
                    }

                    await Task.Yield();
                    Interlocked.Add(ref total, 70);
                    admission.Leave(entry, new(1, 0, 70, 0));
                }
            },
            Cancel))).WaitAsync(Patience, Cancel);

        Assert.Equal(1050, total);
    }

    [Fact]
    public void Records_of_older_versions_have_none_of_this()
    {
        var progress = JsonSerializer.Deserialize(
            """{"gateway":{"requests":3,"inputTokens":5,"outputTokens":6,"refusals":1}}""",
            RunJson.Default.RunProgress)!;
        var plan = JsonNode.Parse(JsonSerializer.Serialize(Plans.Any(), RunJson.Default.RunPlan))!.AsObject();
        Assert.True(plan.Remove("dayBudgets") && plan.Remove("spentBefore") && plan.Remove("maxTokens"));

        Assert.Equal(new GatewayCounts(3, 5, 6, 1), progress.Gateway);
        Assert.Null(progress.BudgetStop);
        Assert.Empty(plan.Deserialize(RunJson.Default.RunPlan)!.DayBudgets);
    }

    private static CallAdmission Of(BudgetLimits limits, Spending? before = null) =>
        new(limits, before ?? Spending.None, SharedBudgets.None(TimeProvider.System), TimeProvider.System);
}
