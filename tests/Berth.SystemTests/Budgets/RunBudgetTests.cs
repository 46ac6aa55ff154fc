using System.Text.Json;
using Berth.ScriptedModel;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Budgets;

/// <summary>Budgets of runs, typed as a user types them.</summary>
public sealed class RunBudgetTests
{
    // 1,100 tokens and $0.006 a call.
    private const string Endless = "repeat forever\nusage in=1000 out=100\nbash echo {{turn}} >> turns.txt";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_stops_at_its_tokens_keeps_its_work_and_goes_on_with_more()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (first, run) = await home.RunAsync(Endless, Cancel, "--max-tokens", "3000", "--branch", "one");
        var refused = await home.BerthAsync(
            Cancel, "run", "implement", "Go on.", "--continue", IdOf(run), "--max-tokens", "3300");
        var (second, more) = await home.RunAsync(
            Endless, Cancel, "--continue", IdOf(run), "--max-tokens", "5000", "--branch", "two");

        Assert.Equal(3, first.ExitCode);
        Assert.Equal("max_tokens_reached", CodeOf(run));
        Assert.Contains(IdOf(run), run.GetProperty("error").GetProperty("hint").GetString(), StringComparison.Ordinal);
        Assert.Equal("1\n2\n3\n", await home.GitAsync(Cancel, "show", "one:turns.txt"));
        Assert.Equal(3000, run.GetProperty("maxTokens").GetInt64());
        Assert.Contains("\"budget_spent\"", home.Journal(IdOf(run)), StringComparison.Ordinal);

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("budget_spent", refused.Error, StringComparison.Ordinal);

        // 3,300 of the 5,000 were spent: two calls.
        Assert.Equal(3, second.ExitCode);
        Assert.Equal("1\n2\n3\n1\n2\n", await home.GitAsync(Cancel, "show", "two:turns.txt"));
        AssertAsServed(home, run, more);
    }

    [Fact]
    public async Task Money_counts_for_the_whole_conversation_which_the_CLI_does_not_know()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync(
            "usage in=10000 out=1000\ntext One.", Cancel, "--model", "claude-opus-5-5", "--max-budget-usd", "0.1");
        var (command, more) = await home.RunAsync(
            "repeat forever\nusage in=10000 out=1000\nbash true",
            Cancel, "--continue", IdOf(run), "--model", "claude-opus-5-5", "--max-budget-usd", "0.1");

        Assert.Equal(0.06m, run.GetProperty("gateway").GetProperty("costUsd").GetDecimal());
        Assert.Equal(0.06m, more.GetProperty("gateway").GetProperty("costUsd").GetDecimal());
        Assert.Equal("budget_reached", CodeOf(more));
        Assert.Contains("$0.12", more.GetProperty("error").GetRawText(), StringComparison.Ordinal);
        Assert.Equal(3, command.ExitCode);
        AssertAsServed(home, run, more);
    }

    [Fact]
    public async Task A_budget_of_the_day_stops_runs_and_refuses_the_next_ones()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await RulesAsync(home, """
            [{"scope": "workflow", "name": "implement", "period": "day", "turns": 2},
             {"scope": "owner", "period": "day", "usd": 100, "wallTime": "10h"}]
            """);
        var (stopped, run) = await home.RunAsync(Endless, Cancel, "--branch", "b");
        var refused = await home.BerthAsync(Cancel, "run", "implement", "Go on.", "--json");
        var other = await home.BerthAsync(Cancel, "run", "review", BerthHome.Prompt("text Fine."), "--json");
        var report = (await home.BerthAsync(Cancel, "budget", "--json")).Json.GetProperty("budgets");
        var table = await home.BerthAsync(Cancel, "budget");

        Assert.Equal(3, stopped.ExitCode);
        Assert.Equal("day_budget_reached", CodeOf(run));
        Assert.Equal("1\n2\n", await home.GitAsync(Cancel, "show", "b:turns.txt"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Equal("budget_spent", CodeOf(refused.Json));
        Assert.True(other.ExitCode == 0, other.Error);
        Assert.True(report[0].GetProperty("isSpent").GetBoolean());
        Assert.Equal(2, report[0].GetProperty("turns").GetProperty("spent").GetDecimal());
        Assert.Equal("(local)", report[1].GetProperty("name").GetString());
        Assert.Equal(
            Math.Round(CostOf(run) + CostOf(other.Json), 9),
            report[1].GetProperty("usd").GetProperty("spent").GetDecimal());
        Assert.True(report[1].GetProperty("wallSeconds").GetProperty("spent").GetDecimal() > 0);
        Assert.Contains("implement", table.Output, StringComparison.Ordinal);
        AssertAsServed(home, run, other.Json);
    }

    [Fact]
    public async Task Two_runs_at_once_go_over_their_owners_budget_by_one_call_at_most()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await RulesAsync(home, """[{"scope": "owner", "period": "day", "tokens": 11000}]""");
        var ids = new[] { await home.DetachAsync(Endless), await home.DetachAsync(Endless) };
        var runs = new[] { await home.FinalAsync(ids[0]), await home.FinalAsync(ids[1]) };

        Assert.All(runs, run => Assert.Equal("day_budget_reached", CodeOf(run)));
        Assert.InRange(TokensOf(runs), 11_000, 12_099);
        AssertAsServed(home, runs);
    }

    [Fact]
    public async Task A_host_that_dies_takes_nothing_of_what_was_spent_with_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await RulesAsync(home, """[{"scope": "all", "period": "day", "tokens": 100000}]""");
        var id = await home.DetachAsync(
            $"usage in=1000 out=100\nbash {HomeRuns.WaitForGo}\n---\n{Endless}", "--max-tokens", "3000");
        await home.WaitForFileAsync(id, "started");
        await home.KillHostAsync(id);
        await home.BerthAsync(Cancel, "ps");
        home.LetGo(id);
        var run = await home.FinalAsync(id);
        var report = (await home.BerthAsync(Cancel, "budget", "--json")).Json.GetProperty("budgets");

        Assert.Equal("max_tokens_reached", CodeOf(run));
        Assert.Equal(3300, TokensOf([run]));
        Assert.Equal(3300, report[0].GetProperty("tokens").GetProperty("spent").GetDecimal());
        AssertAsServed(home, run);
    }

    [Fact]
    public async Task Bad_budgets_and_prices_let_no_run_begin()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await RulesAsync(home, """[{"scope": "everything", "period": "day", "usd": 1}]""");
        var budgets = await home.BerthAsync(Cancel, "run", "implement", "x", "--json");
        var listed = await home.BerthAsync(Cancel, "budget", "--json");
        await RulesAsync(home, "[]");
        home.Set("BERTH_MODEL_PRICES", Path.Combine(home.Folder, "nosuch.json"));
        var prices = await home.BerthAsync(Cancel, "run", "implement", "x", "--json");

        Assert.Equal("budgets_invalid", CodeOf(budgets.Json));
        Assert.Equal("budgets_invalid", CodeOf(listed.Json));
        Assert.Equal("model_prices_unreadable", CodeOf(prices.Json));
        Assert.Empty(home.Model.Requests);
    }

    private static Task RulesAsync(BerthHome home, string text)
    {
        Directory.CreateDirectory(home.Home);
        return File.WriteAllTextAsync(Path.Combine(home.Home, "budgets.json"), text, Cancel);
    }

    private static void AssertAsServed(BerthHome home, params IReadOnlyCollection<JsonElement> runs)
    {
        var served = home.Model.Requests.Select(request => request.Usage).OfType<Usage>().ToList();
        Assert.Equal(served.Count, runs.Sum(run => run.GetProperty("gateway").GetProperty("requests").GetInt64()));
        Assert.Equal(served.Sum(usage => usage.Input + usage.Output), TokensOf(runs));
    }

    private static long TokensOf(IEnumerable<JsonElement> runs) => runs.Sum(run =>
        run.GetProperty("gateway").GetProperty("inputTokens").GetInt64()
        + run.GetProperty("gateway").GetProperty("outputTokens").GetInt64());

    private static decimal CostOf(JsonElement run) => run.GetProperty("gateway").GetProperty("costUsd").GetDecimal();

    private static string IdOf(JsonElement run) => run.GetProperty("id").GetString()!;

    private static string CodeOf(JsonElement failed) =>
        failed.GetProperty("error").GetProperty("code").GetString()!;
}
