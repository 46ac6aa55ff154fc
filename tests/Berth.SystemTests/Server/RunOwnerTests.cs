using System.Net;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Whose runs a caller of a server sees and steers.</summary>
public sealed class RunOwnerTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_operator_sees_and_steers_his_own_runs_only()
    {
        await using var server = await StartAsync(areShared: false);
        var (ada, bob, viewer) = (
            await TokenAsync(server, "ada", "operator"), await TokenAsync(server, "bob", "operator"),
            await TokenAsync(server, "screen", "viewer"));
        var (id, session) = await SubmitAsync(server, "hang", ada);

        foreach (var row in ServerAccessTests.Addresses.Select(row => row.Data)
            .Where(row => row.Item2.Contains(ServerAccessTests.Id, StringComparison.Ordinal)))
        {
            var path = row.Item2.Replace(ServerAccessTests.Id, id, StringComparison.Ordinal);
            var (status, text) = await AskAsync(server, row.Item1, path, bob);
            Assert.Equal((row.Item1, path, HttpStatusCode.NotFound), (row.Item1, path, status));
            Assert.Contains("run_not_found", text, StringComparison.Ordinal);
            if (row.Item1 is "GET")
            {
                Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(server, "GET", path, viewer)).Status);
            }
        }

        var earlier = $"/api/v1/agent/claude-code/run/{id}/status";
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(server, "GET", earlier, bob)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await AskAsync(server, "GET", $"/api/v1/runs/{id[^8..]}", bob)).Status);
        Assert.Equal(0, await CountAsync(server, bob));
        Assert.Equal(0, await CountAsync(server, viewer));
        Assert.Equal(1, await CountAsync(server, ada));
        Assert.Equal(1, await CountAsync(server, server.Token));

        // Its conversation is no other's to go on with, whatever repository is named.
        foreach (var more in new[]
        {
            new Dictionary<string, object>(StringComparer.Ordinal) { ["continueFrom"] = id },
            new(StringComparer.Ordinal) { ["continueFrom"] = id, ["repository"] = server.Home.Repository },
        })
        {
            var (status, _) = await server.AskAsync(
                HttpMethod.Post, "/api/v1/runs", Soon, server.Body("text Done.", more), bob);
            Assert.Equal(HttpStatusCode.NotFound, status);
        }

        var (sessions, why) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/agent/claude-code/implement/run", Soon,
            JsonSerializer.Serialize(new { message = "Go on.", session_id = session }), bob);
        Assert.Equal(HttpStatusCode.NotFound, sessions);
        Assert.Contains("session_not_found", why, StringComparison.Ordinal);

        Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, "GET", $"/api/v1/runs/{id}", ada)).Status);
        Assert.Equal(
            HttpStatusCode.OK, (await AskAsync(server, "POST", $"/api/v1/runs/{id}/cancel?force=true", ada)).Status);
        Assert.Equal("cancelled", (await server.FinalAsync(id, Soon)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task Where_runs_are_shared_all_see_them_and_every_operator_steers_them()
    {
        await using var server = await StartAsync(areShared: true);
        var (ada, bob, viewer) = (
            await TokenAsync(server, "ada", "operator"), await TokenAsync(server, "bob", "operator"),
            await TokenAsync(server, "screen", "viewer"));
        var (id, _) = await SubmitAsync(server, "hang", ada);

        Assert.Equal(1, await CountAsync(server, bob));
        Assert.Equal(1, await CountAsync(server, viewer));
        Assert.Equal(
            HttpStatusCode.Forbidden, (await AskAsync(server, "POST", $"/api/v1/runs/{id}/cancel", viewer)).Status);
        Assert.Equal(
            HttpStatusCode.OK, (await AskAsync(server, "POST", $"/api/v1/runs/{id}/cancel?force=true", bob)).Status);
        await server.FinalAsync(id, Soon);
    }

    [Theory]
    [InlineData("workflow", "ada")]
    [InlineData("request", "ada")]
    [InlineData("request", "admin")]
    public async Task A_decision_may_be_for_somebody_else_than_who_asked_for_the_run(string from, string owner)
    {
        await using var server = await StartAsync(areShared: false);
        var (ada, bob, viewer) = (
            await TokenAsync(server, "ada", "operator"), await TokenAsync(server, "bob", "operator"),
            await TokenAsync(server, "screen", "viewer"));
        var token = owner is "admin" ? server.Token : ada;
        var settings = new Dictionary<string, string>(StringComparer.Ordinal) { ["permissions"] = "ask" };
        var more = new Dictionary<string, object>(StringComparer.Ordinal) { ["workflow"] = "careful" };
        if (from is "workflow")
        {
            settings["approvals"] = "other";
            more["approvals"] = "anyone";
        }
        else
        {
            more["approvals"] = "other";
        }

        var (made, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/workflows", Soon, JsonSerializer.Serialize(new
            {
                name = "careful", prompt = "# Works with care\n", allowedTools = Array.Empty<string>(), settings,
            }));
        Assert.True(made == HttpStatusCode.Created, text);
        var (id, _) = await SubmitAsync(server, "bash echo one > one.txt\n---\ntext Done.", token, more);
        var approvals = $"/api/v1/runs/{id}/approvals";
        await Eventually.TrueAsync(
            async () => (await AskAsync(server, "GET", approvals, bob)).Body
                .Contains("one.txt", StringComparison.Ordinal),
            "a call waits, and the other one sees it", BerthHome.Patience);

        const string Allow = """{"decision":"allow"}""";
        var (own, why) = await server.AskAsync(HttpMethod.Post, $"{approvals}/1", Soon, Allow, token);
        var (looking, _) = await server.AskAsync(HttpMethod.Post, $"{approvals}/1", Soon, Allow, viewer);
        var (others, _) = await AskAsync(server, "GET", $"/api/v1/runs/{id}", bob);
        var (decided, said) = await server.AskAsync(HttpMethod.Post, $"{approvals}/1", Soon, Allow, bob);

        Assert.Equal(HttpStatusCode.Forbidden, own);
        Assert.Contains("approval_needs_another", why, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, looking);
        Assert.Equal(HttpStatusCode.NotFound, others);
        Assert.True(decided == HttpStatusCode.OK, said);
        var ended = await server.FinalAsync(id, Soon);
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.Equal("other", ended.GetProperty("approvalsBy").GetString());
        Assert.Single(ended.GetProperty("filesChanged").EnumerateArray());
    }

    private static async Task<ServerHome> StartAsync(bool areShared)
    {
        var server = await ServerHome.PrepareAsync(Soon);
        server.Home.Set("BERTH_REPOSITORIES", server.Home.Repository);
        server.Home.Set("BERTH_REPOSITORY", server.Home.Repository);
        server.Home.Set("BERTH_RUNS_SHARED", areShared ? "true" : null);
        await server.StartAgainAsync(Soon);
        return server;
    }

    private static async Task<string> TokenAsync(ServerHome server, string name, string role) =>
        (await server.Home.BerthAsync(Soon, "token", "create", "--name", name, "--role", role, "--json"))
            .Json.GetProperty("token").GetString()!;

    private static async Task<(string Id, string Session)> SubmitAsync(
        ServerHome server, string script, string token, Dictionary<string, object>? more = null)
    {
        var (status, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon, server.Body(script, more), token);
        Assert.True(status == HttpStatusCode.Accepted, text);
        var run = JsonDocument.Parse(text).RootElement;
        return (run.GetProperty("id").GetString()!, run.GetProperty("sessionId").GetString()!);
    }

    private static Task<(HttpStatusCode Status, string Body)> AskAsync(
        ServerHome server, string method, string path, string token) =>
        server.AskAsync(new HttpMethod(method), path, Soon, token: token);

    private static async Task<int> CountAsync(ServerHome server, string token) => JsonDocument.Parse(
        (await AskAsync(server, "GET", "/api/v1/runs", token)).Body).RootElement.GetProperty("runs").GetArrayLength();
}
