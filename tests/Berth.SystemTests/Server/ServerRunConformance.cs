using System.Net;
using System.Text.Json;
using Berth.Engine.Storage;
using Berth.SystemTests.EndToEnd;
using Berth.SystemTests.Storage;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Runs at a server, from the request to the branch, in whichever database they are.</summary>
public abstract class ServerRunConformance
{
    private const string Hello = "bash echo hello > hello.txt\n---\ntext I wrote hello.txt.";
    private const string Waits = "bash touch started; sleep 600\n---\ntext Done.";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    /// <summary>The database of the tests; null for the home's own.</summary>
    private protected virtual PostgresPlace? Postgres => null;

    [Fact]
    public async Task A_run_goes_from_a_request_to_a_branch()
    {
        await using var server = await StartAsync();

        var accepted = await server.SubmitAsync(Hello, Soon, new(StringComparer.Ordinal)
        {
            ["labels"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "shop" },
        });
        var id = accepted.GetProperty("id").GetString()!;
        var events = await server.EventsAsync(id, after: 0, Soon);
        var run = await server.FinalAsync(id, Soon);

        Assert.Equal("queued", accepted.GetProperty("state").GetString());
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("admin", run.GetProperty("createdBy").GetString());
        Assert.Equal("shop", run.GetProperty("labels").GetProperty("team").GetString());
        Assert.Equal(
            Enumerable.Range(1, events.Count).Select(seq => (long)seq),
            events.Select(entry => entry.GetProperty("seq").GetInt64()));
        Assert.Equal("run_finished", events[^1].GetProperty("data").GetProperty("type").GetString());
        var content = await server.Home.GitAsync(Soon, "show", $"{run.GetProperty("branch").GetString()}:hello.txt");
        Assert.Equal("hello\n", content);
    }

    [Fact]
    public async Task Its_changes_can_be_had_as_a_diff_and_as_mails()
    {
        await using var server = await StartAsync();
        var run = await server.SubmitAsync(
            "bash echo hello > hello.txt; echo more >> README.md\n---\ntext Done.", Soon);
        var id = run.GetProperty("id").GetString()!;
        await server.FinalAsync(id, Soon);

        var (_, diff) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff", Soon);
        var (_, one) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff?file=hello.txt", Soon);
        var (outside, _) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/diff?file=..%2Fhello.txt", Soon);
        var (_, mails) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/patch", Soon);

        Assert.Contains("+hello", diff, StringComparison.Ordinal);
        Assert.Contains("+more", diff, StringComparison.Ordinal);
        Assert.Contains("+hello", one, StringComparison.Ordinal);
        Assert.DoesNotContain("+more", one, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotFound, outside);
        var patch = Path.Combine(server.Home.Folder, "mails");
        await File.WriteAllTextAsync(patch, mails, Soon);
        await server.Home.GitAsync(Soon, "am", "-q", patch);
        Assert.True(File.Exists(Path.Combine(server.Home.Repository, "hello.txt")));
    }

    [Fact]
    public async Task Asked_twice_with_one_key_there_is_one_run()
    {
        await using var server = await StartAsync();
        var key = new Dictionary<string, object>(StringComparer.Ordinal) { ["idempotencyKey"] = "order 66" };

        var both = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.SubmitAsync(Hello, Soon, key)));
        var (status, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon, server.Body("text Something else.", key));

        var id = Assert.Single(both.Select(run => run.GetProperty("id").GetString()).Distinct(StringComparer.Ordinal));
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("idempotency_conflict", text, StringComparison.Ordinal);
        Assert.Equal("succeeded", (await server.FinalAsync(id!, Soon)).GetProperty("state").GetString());
        Assert.Single(Directory.EnumerateDirectories(Path.Combine(server.Home.Home, "runs")));
    }

    [Fact]
    public async Task Runs_that_wait_and_runs_at_work_can_be_stopped_and_it_is_noted_who_did()
    {
        await using var server = await StartAsync([("CLAUDE_CODE_MAX_CONCURRENT", "1")]);
        var first = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(server.Home.Home, "runs", first, "workspace", "started")), "it works");
        var second = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;

        await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{second}/cancel", Soon);
        var waited = await server.FinalAsync(second, Soon);
        await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{first}/cancel", Soon);
        var worked = await server.FinalAsync(first, Soon);

        Assert.Equal("cancelled", waited.GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, waited.GetProperty("phasesMs").GetProperty("run").ValueKind);
        Assert.Equal("cancelled", worked.GetProperty("state").GetString());
        Assert.Equal(
            ["admin run.cancel", "admin run.cancel", "admin run.create", "admin run.create"],
            Audit(server).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task More_than_may_wait_are_refused_and_lists_come_in_pages()
    {
        await using var server = await StartAsync([("CLAUDE_CODE_MAX_CONCURRENT", "1"), ("BERTH_QUEUE", "3")]);
        var first = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            async () => (await server.ShowAsync(first, Soon)).GetProperty("state").ValueEquals("running"), "it works");
        List<string> ids = [first];
        for (var i = 0; i < 3; i++)
        {
            ids.Add((await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!);
        }

        using var refused = await SendAsync(server, server.Body(Waits));
        var page = await PageAsync(server, "limit=2&sort=createdAt");
        var rest = await PageAsync(server, $"limit=2&sort=createdAt&cursor={page.GetProperty("next").GetString()}");

        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal(ids.Order(StringComparer.Ordinal), [.. IdsOf(page), .. IdsOf(rest)]);
        Assert.Equal(JsonValueKind.Null, rest.GetProperty("next").ValueKind);
        Assert.Equal([first], IdsOf(await PageAsync(server, "state=running")));
        Assert.Empty(IdsOf(await PageAsync(server, "workflow=fix")));
        foreach (var id in ids.AsEnumerable().Reverse())
        {
            await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel", Soon);
        }

        foreach (var id in ids)
        {
            Assert.Equal("cancelled", (await server.FinalAsync(id, Soon)).GetProperty("state").GetString());
        }
    }

    [Fact]
    public async Task One_repository_with_many_runs_does_not_hold_up_another()
    {
        await using var server = await StartAsync([("CLAUDE_CODE_MAX_CONCURRENT", "2"), ("BERTH_PER_REPOSITORY", "1")]);
        var other = Path.Combine(server.Home.Folder, "other");
        await BerthHome.GitInAsync(server.Home.Folder, Soon, "clone", "-q", server.Home.Repository, other);
        var first = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;
        var second = (await server.SubmitAsync(Waits, Soon)).GetProperty("id").GetString()!;

        var elsewhere = await server.SubmitAsync(
            Hello, Soon, new(StringComparer.Ordinal) { ["repository"] = other });
        var run = await server.FinalAsync(elsewhere.GetProperty("id").GetString()!, Soon);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("queued", (await server.ShowAsync(second, Soon)).GetProperty("state").GetString());
        foreach (var id in new[] { second, first })
        {
            await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel", Soon);
            await server.FinalAsync(id, Soon);
        }
    }

    private static async Task<HttpResponseMessage> SendAsync(ServerHome server, string body)
    {
        using var http = new HttpClient();
        using var request = server.Request(HttpMethod.Post, "/api/v1/runs");
        request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        return await http.SendAsync(request, Soon);
    }

    private static async Task<JsonElement> PageAsync(ServerHome server, string query)
    {
        var (_, text) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs?{query}", Soon);
        return JsonDocument.Parse(text).RootElement.Clone();
    }

    private static IReadOnlyList<string> IdsOf(JsonElement page) =>
        [.. page.GetProperty("runs").EnumerateArray().Select(run => run.GetProperty("id").GetString()!)];

    private List<string> Audit(ServerHome server) =>
        Database.Open(Path.Combine(server.Home.Home, "berth.db"), Postgres?.ConnectionString).Query(
            "select who || ' ' || action from audit where run_id is not null", row => row.GetString(0));

    private Task<ServerHome> StartAsync(params (string Name, string Value)[] settings) =>
        ServerHome.StartAsync(Soon, PostgresPlace.SettingsOf(Postgres, settings));
}
