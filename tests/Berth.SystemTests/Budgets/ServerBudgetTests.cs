using System.Net;
using System.Text.Json;
using Berth.SystemTests.Server;
using Xunit;

namespace Berth.SystemTests.Budgets;

/// <summary>The budgets of those who ask a server.</summary>
public sealed class ServerBudgetTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_owner_has_a_budget_for_himself_and_all_may_see_what_is_left()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await File.WriteAllTextAsync(
            Path.Combine(server.Home.Home, "budgets.json"),
            """[{"scope": "owner", "period": "day", "turns": 1}]""",
            Soon);
        var (ada, bob) = (await TokenAsync(server, "ada"), await TokenAsync(server, "bob"));
        var script = "usage in=1000 out=100\nbash echo 1 > 1.txt\n---\ntext Never.";
        var (accepted, text) = await AskAsync(server, script, ada);
        var stopped = await server.FinalAsync(IdOf(text), Soon);
        var (refused, problem) = await AskAsync(server, script, ada);
        var (other, otherText) = await AskAsync(server, "text Fine.", bob);
        var fine = await server.FinalAsync(IdOf(otherText), Soon);
        var (listed, report) = await server.AskAsync(HttpMethod.Get, "/api/v1/budgets", Soon, token: bob);
        var command = await server.Home.BerthAsync(Soon, "budget", "--server", server.Url.AbsoluteUri, "--json");

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted), (accepted, other));
        Assert.Equal("day_budget_reached", stopped.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("succeeded", fine.GetProperty("state").GetString());
        Assert.Equal(HttpStatusCode.Conflict, refused);
        Assert.Contains("budget_spent", problem, StringComparison.Ordinal);
        Assert.Contains("the owner ada", problem, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, listed);
        Assert.Equal(
            ["ada", "bob"],
            JsonDocument.Parse(report).RootElement.GetProperty("budgets").EnumerateArray()
                .Select(budget => budget.GetProperty("name").GetString()).Order(StringComparer.Ordinal));

        // The server asks for a token, and this command has none.
        Assert.Equal("token_missing", command.Json.GetProperty("error").GetProperty("code").GetString());
    }

    private static Task<(HttpStatusCode Status, string Body)> AskAsync(
        ServerHome server, string script, string token) =>
        server.AskAsync(HttpMethod.Post, "/api/v1/runs", Soon, server.Body(script), token);

    private static async Task<string> TokenAsync(ServerHome server, string name)
    {
        var made = await server.Home.BerthAsync(Soon, "token", "create", "--name", name, "--role", "admin", "--json");
        return made.Json.GetProperty("token").GetString()!;
    }

    private static string IdOf(string run) => JsonDocument.Parse(run).RootElement.GetProperty("id").GetString()!;
}
