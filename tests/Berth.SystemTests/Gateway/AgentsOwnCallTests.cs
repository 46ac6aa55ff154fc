using System.Text.Json;
using Berth.Engine.Executors;
using Berth.Protocol;
using Berth.ScriptedModel;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Gateway;

/// <summary>FAULTS F 44 and 45 from inside the sandbox: an agent that speaks to the gateway's socket without the CLI,
/// and hosts that die while it does.</summary>
public sealed class AgentsOwnCallTests
{
    private const string Marker = "a call by hand";
    private const string Curl = "curl -sS --unix-socket " + InsidePaths.Gateway + "/" + RunDirectory.GatewaySocketName
        + " -H 'Content-Type: application/json' --data-binary @body.json http://gateway/v1/messages";

    // One call whose client lives until the test says so, and then is gone without a word.
    private const string HangUp = "bash " + Curl + " > answer.txt 2>&1 & caller=$!; " + HomeRuns.WaitForGo
        + "; kill -9 $caller";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F44_A_call_in_flight_when_hosts_are_killed_is_charged_once_and_in_full()
    {
        await using var home = await HomeAsync("wait 10m\ntext Never");
        await RulesAsync(home);
        var id = await home.DetachAsync($"{HangUp}\n---\ntext Done.");
        await OwnCallAsync(home);
        await home.KillHostAsync(id);
        await home.BerthAsync(Cancel, "ps");
        var charged = await ChargedAsync(home, id, 1);

        // The third host finds nothing that is not charged.
        await home.KillHostAsync(id);
        await home.BerthAsync(Cancel, "ps");
        home.LetGo(id);
        var run = await home.FinalAsync(id);
        var counts = run.GetProperty("gateway");

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal(1, counts.GetProperty("estimatedCalls").GetInt64());
        Assert.Equal(CostOf(charged, "estimatedCostUsd"), CostOf(run, "estimatedCostUsd"));

        // max_tokens is 1000, and costs 0.02.
        Assert.True(CostOf(run, "estimatedCostUsd") >= 0.02m, counts.GetRawText());
        var served = home.Model.Requests.Select(request => request.Usage).OfType<Usage>().ToList();
        Assert.Equal(served.Count + 1, counts.GetProperty("requests").GetInt64());
        Assert.Equal(served.Sum(usage => usage.Output) + 1000, counts.GetProperty("outputTokens").GetInt64());
        await AssertDayAsync(home, counts);
    }

    [Fact]
    public async Task F44_Each_call_of_the_CLI_that_a_dead_host_had_sent_is_charged_and_the_run_goes_on()
    {
        await using var home = await HomeAsync("text Unused");
        await RulesAsync(home);
        var id = await home.DetachAsync(
            "usage in=1000 out=100\nbash echo 1 > one.txt\n---\nwait 10m times=2\ntext Done.", "--branch", "b");
        for (var death = 1; death <= 2; death++)
        {
            await Eventually.TrueAsync(
                () => home.Model.UnderWay.Any(request => request.Turn == 2 && request.Attempt == death),
                "the call",
                BerthHome.Patience);
            await home.KillHostAsync(id);
            await home.BerthAsync(Cancel, "ps");
            await ChargedAsync(home, id, death);
        }

        var run = await home.FinalAsync(id);
        var counts = run.GetProperty("gateway");

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("1\n", await home.GitAsync(Cancel, "show", "b:one.txt"));
        Assert.Equal(2, counts.GetProperty("estimatedCalls").GetInt64());
        Assert.Equal(
            home.Model.Requests.Count(request => request.Path.StartsWith("/v1/messages", StringComparison.Ordinal)),
            counts.GetProperty("requests").GetInt64());
        await AssertDayAsync(home, counts);
    }

    [Fact]
    public async Task F44_A_call_of_the_agents_own_that_hangs_up_is_counted_as_what_it_used()
    {
        await using var home = await HomeAsync("usage in=1000 out=200\nwait 2s\ntext Whole");
        var id = await home.DetachAsync($"{HangUp}\n---\ntext Done.");
        await OwnCallAsync(home);
        home.LetGo(id);
        var run = await home.FinalAsync(id);
        var counts = run.GetProperty("gateway");

        var served = home.Model.Requests.Select(request => request.Usage).OfType<Usage>().ToList();
        Assert.Contains(served, usage => usage is { Input: 1000, Output: 200 });
        Assert.Equal(served.Count, counts.GetProperty("requests").GetInt64());
        Assert.Equal(
            served.Sum(usage => usage.Input + usage.Output),
            counts.GetProperty("inputTokens").GetInt64() + counts.GetProperty("outputTokens").GetInt64());
        Assert.Equal(0, counts.GetProperty("estimatedCalls").GetInt64());
    }

    [Fact]
    public async Task F45_A_call_of_the_agents_own_with_a_server_tool_is_refused_and_told()
    {
        await using var home = await HomeAsync(
            "text Never", """, "tool_choice": {"type": "auto"}""", """{"type": "web_search_20250305", "name": "s"}""");
        var (command, run) = await home.RunAsync(
            $"bash {Curl}\n---\ntext It says {{{{last}}}}", Cancel, "--network", "none");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Contains(
            "[berth: model_fetch_refused]", run.GetProperty("result").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain(home.Model.Requests, IsOwn);
        Assert.Equal(1, run.GetProperty("gateway").GetProperty("refusedRequests").GetInt64());
        var told = home.Journal(run.GetProperty("id").GetString()!).Split('\n').Where(line => line.Contains(
            $"\"type\":\"{BerthEvents.RequestRefused}\"", StringComparison.Ordinal));
        Assert.Contains("\"code\":\"model_fetch_refused\"", Assert.Single(told), StringComparison.Ordinal);
    }

    // A home whose repository holds the body of a call.
    private static async Task<BerthHome> HomeAsync(
        string script, string more = "", string tool = """{"name": "Bash", "input_schema": {"type": "object"}}""")
    {
        var home = await BerthHome.CreateAsync(Cancel);
        var prompt = JsonSerializer.Serialize($"This is {Marker}.\n```script\n{script}\n```");
        await File.WriteAllTextAsync(
            Path.Combine(home.Repository, "body.json"),
            $$$"""
            {"model": "claude-opus-5-5", "max_tokens": 1000, "stream": true, "tools": [{{{tool}}}]{{{more}}},
             "messages": [{"role": "user", "content": {{{prompt}}}}]}
            """,
            Cancel);
        await home.CommitAsync("A call", Cancel);
        return home;
    }

    private static Task RulesAsync(BerthHome home)
    {
        Directory.CreateDirectory(home.Home);
        return File.WriteAllTextAsync(
            Path.Combine(home.Home, "budgets.json"), """[{"scope": "all", "period": "day", "tokens": 100000000}]""",
            Cancel);
    }

    private static bool IsOwn(ModelRequest request) => request.Text().Contains(Marker, StringComparison.Ordinal);

    private static Task OwnCallAsync(BerthHome home) => Eventually.TrueAsync(
        () => home.Model.UnderWay.Concat(home.Model.Requests).Any(IsOwn), "the agent's own call", BerthHome.Patience);

    private static async Task<JsonElement> ChargedAsync(BerthHome home, string id, long calls)
    {
        JsonElement run = default;
        await Eventually.TrueAsync(
            async () =>
            {
                run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;
                return run.GetProperty("gateway").GetProperty("estimatedCalls").GetInt64() >= calls;
            },
            $"{calls} calls are charged",
            BerthHome.Patience);
        Assert.Equal(calls, run.GetProperty("gateway").GetProperty("estimatedCalls").GetInt64());
        return run;
    }

    private static async Task AssertDayAsync(BerthHome home, JsonElement counts)
    {
        var report = (await home.BerthAsync(Cancel, "budget", "--json")).Json.GetProperty("budgets");
        Assert.Equal(
            counts.GetProperty("inputTokens").GetInt64() + counts.GetProperty("outputTokens").GetInt64(),
            report[0].GetProperty("tokens").GetProperty("spent").GetInt64());
    }

    private static decimal CostOf(JsonElement run, string name) =>
        run.GetProperty("gateway").GetProperty(name).GetDecimal();
}
