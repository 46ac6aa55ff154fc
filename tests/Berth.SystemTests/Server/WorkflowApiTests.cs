using System.Net;
using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Workflows through the API of a real server.</summary>
public sealed class WorkflowApiTests
{
    private const string All = "/api/v1/workflows";
    private const string Greet = All + "/greet";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_is_made_run_replaced_and_removed_and_its_secrets_are_never_shown()
    {
        await using var server = await ServerHome.StartAsync(Soon);

        var (made, first) = await AskAsync(server, HttpMethod.Post, All, ApiCalls.WorkflowBody("greet"));
        var (again, _) = await AskAsync(server, HttpMethod.Post, All, ApiCalls.WorkflowBody("greet"));
        var run = await server.SubmitAsync(
            "text Done.", Soon, new(StringComparer.Ordinal) { ["workflow"] = "greet" });
        var ended = await server.FinalAsync(run.GetProperty("id").GetString()!, Soon);
        var (replaced, second) = await AskAsync(
            server, HttpMethod.Put, Greet, """{"prompt":"# Greets twice","allowedTools":[]}""");
        var (renamed, _) = await AskAsync(
            server, HttpMethod.Put, Greet, """{"name":"other","prompt":"# x","allowedTools":[]}""");
        var (removed, nothing) = await AskAsync(server, HttpMethod.Delete, Greet);
        var (gone, _) = await AskAsync(server, HttpMethod.Get, Greet);

        Assert.Equal(
            (HttpStatusCode.Created, HttpStatusCode.Conflict, HttpStatusCode.OK, HttpStatusCode.BadRequest,
                HttpStatusCode.NoContent, HttpStatusCode.NotFound),
            (made, again, replaced, renamed, removed, gone));
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.Equal(3, ended.GetProperty("maxTurns").GetInt32());
        Assert.Contains("\"envNames\":[\"GREETING\"]", first, StringComparison.Ordinal);
        Assert.Contains("\"envNames\":[\"GREETING\"]", second, StringComparison.Ordinal);
        Assert.Contains("Greets twice", second, StringComparison.Ordinal);
        Assert.DoesNotContain("a-secret-value", first + second, StringComparison.Ordinal);
        Assert.Empty(nothing);
        Assert.Equal(
            ["workflow.create greet", "workflow.replace greet", "workflow.remove greet"],
            ServerState.Audit(server).Where(line => line.Contains(" workflow.", StringComparison.Ordinal))
                .Select(line => string.Join(' ', line.Split(' ')[1..3])));
    }

    [Fact]
    public async Task A_built_in_one_is_only_read_and_can_be_shadowed()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        const string Body = """{"prompt":"# Fixes it our way","allowedTools":["Read"]}""";

        var (shown, fix) = await AskAsync(server, HttpMethod.Get, $"{All}/fix");
        var (put, why) = await AskAsync(server, HttpMethod.Put, $"{All}/fix", Body);
        var (delete, _) = await AskAsync(server, HttpMethod.Delete, $"{All}/fix");
        var (post, ours) = await AskAsync(
            server, HttpMethod.Post, All, Body.Insert(1, "\"name\":\"fix\","));
        var (back, _) = await AskAsync(server, HttpMethod.Delete, $"{All}/fix");
        var (_, after) = await AskAsync(server, HttpMethod.Get, $"{All}/fix");

        Assert.Equal(
            (HttpStatusCode.OK, HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.Created,
                HttpStatusCode.NoContent),
            (shown, put, delete, post, back));
        Assert.Contains("workflow_read_only", why, StringComparison.Ordinal);
        Assert.Contains("our way", ours, StringComparison.Ordinal);
        Assert.Equal(1, JsonDocument.Parse(ours).RootElement.GetProperty("shadows").GetArrayLength());
        Assert.Equal(fix, after);
    }

    [Fact]
    public async Task A_run_that_waits_or_works_keeps_the_workflow_that_it_was_accepted_with()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("CLAUDE_CODE_MAX_CONCURRENT", "1")]);
        await AskAsync(server, HttpMethod.Post, All, ApiCalls.WorkflowBody("greet"));
        var greet = new Dictionary<string, object>(StringComparer.Ordinal) { ["workflow"] = "greet" };

        // The workflow allows it no tool that would take its time.
        var working = await server.SubmitAsync("hang\n---\ntext Done.", Soon, greet);
        var id = working.GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            async () => (await server.ShowAsync(id, Soon)).GetProperty("state").ValueEquals("running"), "it runs");
        var waiting = await server.SubmitAsync("text Done.", Soon, greet);

        var (removed, _) = await AskAsync(server, HttpMethod.Delete, Greet);
        await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel", Soon);
        var cancelled = await server.FinalAsync(id, Soon);
        var after = await server.FinalAsync(waiting.GetProperty("id").GetString()!, Soon);

        Assert.Equal(HttpStatusCode.NoContent, removed);
        Assert.True(cancelled.GetProperty("state").ValueEquals("cancelled"), cancelled.GetRawText());
        Assert.Equal("succeeded", after.GetProperty("state").GetString());
        Assert.Equal(3, after.GetProperty("maxTurns").GetInt32());
    }

    [Fact]
    public async Task One_that_is_not_valid_is_shown_with_its_problem_and_MCP_servers_only_to_admins()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await AskAsync(server, HttpMethod.Post, All, ApiCalls.WorkflowBody("greet"));
        var broken = Directory.CreateDirectory(Path.Combine(server.Home.Home, "workflows", "broken")).FullName;
        await File.WriteAllTextAsync(Path.Combine(broken, "prompt.md"), "# Broken\n", Soon);
        var made = await server.Home.BerthAsync(Soon, "token", "create", "--name", "v", "--role", "viewer", "--json");
        var viewer = made.Json.GetProperty("token").GetString()!;

        var (_, wrong) = await AskAsync(server, HttpMethod.Get, $"{All}/broken");
        var (_, all) = await AskAsync(server, HttpMethod.Get, Greet);
        var (_, less) = await server.AskAsync(HttpMethod.Get, Greet, Soon, token: viewer);

        Assert.Contains("\"code\":\"workflow_invalid\"", wrong, StringComparison.Ordinal);
        Assert.Contains("/bin/files", all, StringComparison.Ordinal);
        Assert.Contains("\"mcp\":null", less, StringComparison.Ordinal);
        Assert.Contains("Greets", less, StringComparison.Ordinal);
    }

    private static Task<(HttpStatusCode Status, string Body)> AskAsync(
        ServerHome server, HttpMethod method, string path, string? body = null) =>
        server.AskAsync(method, path, Soon, body);
}
