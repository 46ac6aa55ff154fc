using System.Text.Json;
using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Berth.ScriptedModel;
using Xunit;

namespace Berth.SystemTests.Budgets;

/// <summary>Budgets with the real CLI, none of whose own limits is set: the gateway alone keeps them.</summary>
public sealed class GatewayBudgetTests
{
    private const string Endless = "repeat forever\nusage in=1000 out=100\nbash echo {{turn}}";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string> Models => [.. ModelPrices.Listed.Models.Order(StringComparer.Ordinal)];

    [Theory]
    [InlineData("Turns", 2)]
    [InlineData("Tokens", 3)]
    [InlineData("Usd", 4)]
    public async Task The_next_call_is_not_made_and_the_CLI_ends_by_that(string unit, int calls)
    {
        // A call has 1,100 tokens, which cost $0.006 of claude-opus-5-5.
        var limits = unit switch
        {
            "Turns" => new BudgetLimits { Turns = 2 },
            "Tokens" => new BudgetLimits { Tokens = 2300 },
            _ => new BudgetLimits { Usd = 0.0185m },
        };
        await using var claude = await GatewayClaude.CreateAsync(Cancel);
        var result = await claude.RunAsync(Endless, limits, Cancel, "claude-opus-5-5");

        Assert.Equal(calls, claude.Requests.Count);
        Assert.Equal(unit, Assert.Single(claude.Stops).Unit.ToString());
        Assert.True(result.GetProperty("is_error").GetBoolean());
        Assert.Equal(402, result.GetProperty("api_error_status").GetInt32());
        AssertAsServed(claude);
    }

    [Fact]
    public async Task Subagents_at_once_go_over_by_one_call_at_most_and_are_no_turns()
    {
        await using var claude = await GatewayClaude.CreateAsync(Cancel);
        var task = JsonSerializer.Serialize(new
        {
            description = "d", subagent_type = "general-purpose",
            prompt = "```script\nrepeat forever\nusage in=3000 out=1000\nbash echo {{turn}}\n```",
        });
        var script = string.Join('\n', Enumerable.Repeat($"tool Task {task}", 4)) + "\n---\ntext Done.";
        _ = await claude.RunAsync(script, new BudgetLimits { Tokens = 40_000 }, Cancel, "claude-opus-5-5");

        Assert.Contains(claude.Requests, request => request.Headers.ContainsKey(RequestClass.AgentHeader));
        Assert.Equal(1, claude.Totals.Turns);
        Assert.InRange(claude.Totals.InputTokens + claude.Totals.OutputTokens, 40_000, 43_999);
        Assert.NotEmpty(claude.Stops);
        AssertAsServed(claude);
    }

    [Fact]
    public async Task An_overload_that_passes_counts_once()
    {
        await using var claude = await GatewayClaude.CreateAsync(Cancel);
        var result = await claude.RunAsync(
            "error 529 times=2 Overloaded\nusage in=1000 out=100\ntext Here.", new() { Tokens = 1101 }, Cancel);

        Assert.False(result.GetProperty("is_error").GetBoolean());
        Assert.Equal(3, claude.Requests.Count);
        Assert.Equal((1, 1, 1100), (
            claude.Totals.Requests, claude.Totals.Turns, claude.Totals.InputTokens + claude.Totals.OutputTokens));
        AssertAsServed(claude);
    }

    [Fact]
    public async Task A_model_without_prices_is_said_once_and_counts_as_the_dearest()
    {
        await using var claude = await GatewayClaude.CreateAsync(Cancel);
        _ = await claude.RunAsync(
            "usage in=1000000 out=0\nbash true\n---\ntext Done.", BudgetLimits.None, Cancel, "house-model-1");

        Assert.Equal("house-model-1", Assert.Single(claude.Unknown));
        Assert.True(claude.Totals.CostUsd >= 10);
    }

    // So that a pin with other prices is seen.
    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_call_costs_what_the_CLI_says_that_it_does(string model)
    {
        await using var claude = await GatewayClaude.CreateAsync(Cancel);
        var result = await claude.RunAsync(
            "usage in=20000 out=3000 cache-read=41000 cache-write=7000 cache-write-1h=2000\nbash true\n---\n"
                + "usage in=90000 out=1000 cache-read=20000\ntext Done.",
            BudgetLimits.None,
            Cancel,
            model);
        var used = Assert.Single(result.GetProperty("modelUsage").EnumerateObject());

        Assert.Equal("list", used.Value.GetProperty("costBasis").GetString());
        Assert.Empty(claude.Unknown);
        Assert.Equal(result.GetProperty("total_cost_usd").GetDecimal(), claude.Totals.CostUsd, 9);
        AssertAsServed(claude);
    }

    private static void AssertAsServed(GatewayClaude claude)
    {
        var served = claude.Requests.Select(request => request.Usage).OfType<Usage>().ToList();
        Assert.Equal(served.Count, claude.Totals.Requests);
        Assert.Equal(
            served.Sum(usage => usage.Input + usage.CacheRead + usage.CacheWrite), claude.Totals.InputTokens);
        Assert.Equal(served.Sum(usage => usage.Output), claude.Totals.OutputTokens);
    }
}
