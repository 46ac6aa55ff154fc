using System.Net;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>The API of the earlier agent, field for field and status for status.</summary>
public sealed class AgentApiTests
{
    private const string Prefix = "/api/v1/agent/claude-code";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_goes_from_pending_to_completed_with_every_field()
    {
        await using var server = await ServerHome.StartAsync(Soon);

        var (status, accepted) = await RunAsync(server, "implement", new(StringComparer.Ordinal)
        {
            ["message"] = BerthHome.Prompt("bash echo hello > hello.txt\n---\ntext I wrote it."),
            ["repository_url"] = server.Home.Repository,
            ["max_turns"] = 5,
            ["timeout"] = 600,
            ["git_branch"] = "main",
            ["user_id"] = "ada",
            ["session_name"] = "greetings",
            ["something_of_a_later_version"] = true,
        });
        var id = accepted.GetProperty("run_id").GetString()!;
        var run = await server.FinalAsync(id, Soon);
        var done = await StatusAsync(server, id);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(
            ["message", "run_id", "session_id", "started_at", "status", "workflow_name"], Names(accepted));
        Assert.Equal("pending", accepted.GetProperty("status").GetString());
        Assert.Equal("implement", accepted.GetProperty("workflow_name").GetString());
        Assert.Equal(
            [
                "container_id", "error", "execution_time", "exit_code", "git_commits", "logs", "result", "run_id",
                "session_id", "started_at", "status", "updated_at", "workflow_name",
            ],
            Names(done));
        Assert.Equal("completed", done.GetProperty("status").GetString());
        Assert.Equal("I wrote it.", done.GetProperty("result").GetString());
        Assert.Equal(0, done.GetProperty("exit_code").GetInt32());
        Assert.Equal(JsonValueKind.Null, done.GetProperty("error").ValueKind);
        Assert.True(done.GetProperty("execution_time").GetDouble() > 0);
        Assert.Contains("\"type\":\"result\"", done.GetProperty("logs").GetString(), StringComparison.Ordinal);
        Assert.Equal(accepted.GetProperty("session_id").GetString(), done.GetProperty("session_id").GetString());
        Assert.Equal(
            run.GetProperty("headCommit").GetString(),
            Assert.Single(done.GetProperty("git_commits").EnumerateArray()).GetString());
        Assert.Equal(5, run.GetProperty("maxTurns").GetInt32());
        Assert.Equal("ada", run.GetProperty("labels").GetProperty("user_id").GetString());
    }

    [Fact]
    public async Task A_session_goes_on_whichever_of_its_ids_is_sent()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var first = await SayAsync("bash echo 1 > 1.txt\n---\ntext The word is heron.", null);
        var second = await SayAsync("bash cat 1.txt > 2.txt\n---\ntext The other is egret.", first);
        await SayAsync("bash cat 2.txt > 3.txt\n---\ntext Done.", first);

        var asked = server.Home.Model.Requests.Last(
            request => request.Path.StartsWith("/v1/messages?", StringComparison.Ordinal)).Text();
        Assert.NotEqual(first, second);
        Assert.Contains("The word is heron.", asked, StringComparison.Ordinal);
        Assert.Contains("The other is egret.", asked, StringComparison.Ordinal);

        async Task<string> SayAsync(string script, string? session)
        {
            var fields = new Dictionary<string, object>(StringComparer.Ordinal)
            {
                ["message"] = BerthHome.Prompt(script),
            };
            fields[session is null ? "repository_url" : "session_id"] = session ?? server.Home.Repository;
            var (status, accepted) = await RunAsync(server, "implement", fields);
            Assert.Equal(HttpStatusCode.OK, status);
            var run = await server.FinalAsync(accepted.GetProperty("run_id").GetString()!, Soon);
            Assert.Equal("succeeded", run.GetProperty("state").GetString());
            return accepted.GetProperty("session_id").GetString()!;
        }
    }

    [Fact]
    public async Task States_are_told_in_its_four_words_and_the_defaults_are_its_own()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("CLAUDE_CODE_MAX_CONCURRENT", "1")]);
        server.Home.Set("BERTH_REPOSITORY", server.Home.Repository);
        await server.KillAsync(Soon);
        await server.StartAgainAsync(Soon);
        var message = BerthHome.Prompt("bash sleep 600\n---\ntext Done.");

        var (_, first) = await RunAsync(server, "fix", new(StringComparer.Ordinal) { ["message"] = message });
        var id = first.GetProperty("run_id").GetString()!;
        await Eventually.TrueAsync(
            async () => (await StatusAsync(server, id)).GetProperty("status").ValueEquals("running"), "it runs");
        var (_, second) = await RunAsync(server, "fix", new(StringComparer.Ordinal) { ["message"] = message });
        var waiting = second.GetProperty("run_id").GetString()!;
        var pending = await StatusAsync(server, waiting);
        var own = await server.ShowAsync(id, Soon);
        foreach (var each in new[] { waiting, id })
        {
            await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{each}/cancel", Soon);
            await server.FinalAsync(each, Soon);
        }

        var cancelled = await StatusAsync(server, id);

        Assert.Equal("pending", pending.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, pending.GetProperty("updated_at").ValueKind);
        Assert.Equal(30, own.GetProperty("maxTurns").GetInt32());
        Assert.Equal("failed", cancelled.GetProperty("status").GetString());
        Assert.StartsWith("cancelled", cancelled.GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_it_refused_is_refused_with_its_statuses()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var broken = Path.Combine(server.Home.Home, "workflows", "broken");
        Directory.CreateDirectory(broken);
        await File.WriteAllTextAsync(Path.Combine(broken, "prompt.md"), "# Broken\n", Soon);
        (string Workflow, string Field, object Value, HttpStatusCode Status, string Words)[] refused =
        [
            ("nosuch", "message", "x", HttpStatusCode.NotFound, "architect, broken, document, fix"),
            ("broken", "message", "x", HttpStatusCode.BadRequest, "allowed_tools.json"),
            ("fix", "max_turns", 0, HttpStatusCode.BadRequest, "1 to 100"),
            ("fix", "max_turns", 101, HttpStatusCode.BadRequest, "1 to 100"),
            ("fix", "timeout", 59, HttpStatusCode.BadRequest, "60 to 14400"),
            ("fix", "timeout", 14401, HttpStatusCode.BadRequest, "60 to 14400"),
            ("fix", "message", 7, HttpStatusCode.BadRequest, "message"),
            ("fix", "session_id", "s", HttpStatusCode.NotFound, "session_not_found"),
        ];
        foreach (var (workflow, field, value, expected, words) in refused)
        {
            var (status, answer) = await RunAsync(server, workflow, new(StringComparer.Ordinal)
            {
                ["message"] = "Do it.",
                ["repository_url"] = server.Home.Repository,
                [field] = value,
            });

            Assert.Equal((expected, field), (status, field));
            Assert.Contains(words, answer.GetRawText(), StringComparison.Ordinal);
            Assert.True(answer.GetProperty("detail").GetString()!.Length > 0);
        }

        var (unknown, _) = await server.AskAsync(HttpMethod.Get, $"{Prefix}/run/nosuch/status", Soon);
        Assert.Equal(HttpStatusCode.NotFound, unknown);
    }

    [Theory]
    [InlineData("nosuch", HttpStatusCode.NotFound, "not_found")]
    [InlineData("no such", HttpStatusCode.NotFound, "not_found")]
    [InlineData("-x", HttpStatusCode.NotFound, "not_found")]
    [InlineData("broken", HttpStatusCode.BadRequest, "workflow_invalid")]
    public async Task F64_A_workflow_that_there_is_not_is_said_before_all_else_that_is_wrong(
        string workflow, HttpStatusCode expected, string code)
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var broken = Path.Combine(server.Home.Home, "workflows", "broken");
        Directory.CreateDirectory(broken);
        await File.WriteAllTextAsync(Path.Combine(broken, "prompt.md"), "# Broken\n", Soon);
        foreach (var body in new[]
        {
            """{"message":"x"}""", "{}", """{"message":"x","max_turns":0}""",
            """{"message":"x","repository_url":"ext::sh"}""", """{"message":"x","repository_url":"/nowhere"}""",
        })
        {
            var (status, text) = await server.AskAsync(
                HttpMethod.Post, $"{Prefix}/{Uri.EscapeDataString(workflow)}/run", Soon, body);

            Assert.Equal((expected, body), (status, body));
            Assert.Contains($"\"code\":\"{code}\"", text, StringComparison.Ordinal);
            Assert.True(code is not "not_found" || text.Contains("architect, broken", StringComparison.Ordinal), text);
        }

        var (turns, why) = await server.AskAsync(
            HttpMethod.Post, $"{Prefix}/fix/run", Soon, """{"message":"x","max_turns":0}""");
        var (unknown, said) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon, """{"workflow":"nosuch","message":"x"}""");
        Assert.Equal(HttpStatusCode.BadRequest, turns);
        Assert.Contains("1 to 100", why, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, unknown);
        Assert.Contains("workflow_not_found", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Workflows_and_health_have_their_fields_and_each_address_wants_a_token()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        using var http = new HttpClient();
        using var keyed = new HttpRequestMessage(HttpMethod.Get, new Uri(server.Url, $"{Prefix}/workflows"));
        keyed.Headers.Add("x-api-key", server.Token);

        using var listed = await http.SendAsync(keyed, Soon);
        var workflows = JsonDocument.Parse(await listed.Content.ReadAsStringAsync(Soon)).RootElement;
        var (_, text) = await server.AskAsync(HttpMethod.Get, $"{Prefix}/health", Soon);
        var health = JsonDocument.Parse(text).RootElement;

        Assert.Equal(8, workflows.GetArrayLength());
        Assert.All(
            workflows.EnumerateArray(),
            workflow => Assert.Equal(["description", "name", "path", "valid"], Names(workflow)));
        Assert.Equal(
            ["agent_available", "container_manager", "feature_enabled", "status", "timestamp", "workflows"],
            Names(health));
        Assert.Equal("healthy", health.GetProperty("status").GetString());
        Assert.True(health.GetProperty("workflows").GetProperty("fix").GetBoolean());
        foreach (var path in new[] { "/workflows", "/health", "/run/x/status" })
        {
            var (status, _) = await server.AskAsync(HttpMethod.Get, Prefix + path, Soon, token: "berth_wrong");
            Assert.Equal(HttpStatusCode.Unauthorized, status);
        }
    }

    private static async Task<(HttpStatusCode Status, JsonElement Answer)> RunAsync(
        ServerHome server, string workflow, Dictionary<string, object> fields)
    {
        var (status, text) = await server.AskAsync(
            HttpMethod.Post, $"{Prefix}/{workflow}/run", Soon, JsonSerializer.Serialize(fields));
        return (status, JsonDocument.Parse(text).RootElement.Clone());
    }

    private static async Task<JsonElement> StatusAsync(ServerHome server, string id)
    {
        var (_, text) = await server.AskAsync(HttpMethod.Get, $"{Prefix}/run/{id}/status", Soon);
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    private static IEnumerable<string> Names(JsonElement element) =>
        element.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal);
}
