using System.Net;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Who may ask what of a server, and what is refused.</summary>
public sealed class ServerAccessTests
{
    internal const string Id = "01jd3k7k3m9xq2vw5t8n4c6b0a";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    /// <summary>Every address, with the least role that it takes; null for anybody.</summary>
    public static TheoryData<string, string, string?> Addresses => new()
    {
        { "GET", "/healthz", null },
        { "GET", "/readyz", null },
        { "GET", "/api/v1/version", "viewer" },
        { "GET", "/api/v1/executors", "viewer" },
        { "GET", "/api/v1/budgets", "viewer" },
        { "GET", "/api/v1/workflows", "viewer" },
        { "GET", "/api/v1/runs", "viewer" },
        { "POST", "/api/v1/runs", "operator" },
        { "GET", $"/api/v1/runs/{Id}", "viewer" },
        { "DELETE", $"/api/v1/runs/{Id}", "operator" },
        { "POST", $"/api/v1/runs/{Id}/cancel", "operator" },
        { "POST", $"/api/v1/runs/{Id}/deliver", "operator" },
        { "POST", $"/api/v1/runs/{Id}/messages", "operator" },
        { "POST", $"/api/v1/runs/{Id}/interrupt", "operator" },
        { "GET", $"/api/v1/runs/{Id}/approvals", "viewer" },
        { "POST", $"/api/v1/runs/{Id}/approvals/1", "operator" },
        { "GET", $"/api/v1/runs/{Id}/diff", "viewer" },
        { "GET", $"/api/v1/runs/{Id}/patch", "viewer" },
        { "GET", $"/api/v1/runs/{Id}/artifacts", "viewer" },
        { "GET", $"/api/v1/runs/{Id}/artifacts/files/a", "viewer" },
        { "GET", $"/api/v1/runs/{Id}/log", "viewer" },
        { "GET", $"/api/v1/runs/{Id}/events", "viewer" },
    };

    [Fact]
    public async Task Each_address_takes_a_good_token_of_its_role()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var viewer = await TokenAsync(server, "viewer");
        var revoked = await TokenAsync(server, "operator");
        await server.Home.BerthAsync(Soon, "token", "revoke", "a-operator");
        foreach (var row in Addresses)
        {
            var (method, path, role) = (new HttpMethod(row.Data.Item1), row.Data.Item2, row.Data.Item3);
            var without = await StatusAsync(server, method, path, string.Empty);
            var low = await StatusAsync(server, method, path, viewer);
            var query = await StatusAsync(server, method, $"{path}?token={server.Token}", string.Empty);

            Assert.Equal(role is null ? HttpStatusCode.OK : HttpStatusCode.Unauthorized, without);
            Assert.Equal(without, query);
            Assert.Equal(role is "operator", low == HttpStatusCode.Forbidden);
            Assert.NotEqual(HttpStatusCode.Unauthorized, await StatusAsync(server, method, path, server.Token));
        }

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, HttpMethod.Get, "/api/v1/runs", revoked));
    }

    [Fact]
    public async Task Wrong_tokens_are_slowed_down_and_good_ones_come_again()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 12; i++)
        {
            statuses.Add(await StatusAsync(server, HttpMethod.Get, "/api/v1/runs", server.Token[..^1] + "!"));
        }

        Assert.Equal(10, statuses.Count(status => status == HttpStatusCode.Unauthorized));
        Assert.Equal(HttpStatusCode.TooManyRequests, statuses[^1]);
        await Eventually.TrueAsync(
            async () => await StatusAsync(server, HttpMethod.Get, "/api/v1/runs", server.Token) == HttpStatusCode.OK,
            "the address may try again");
    }

    [Fact]
    public async Task An_operator_reaches_no_other_repository_of_the_machine_and_no_bare_process()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var token = await TokenAsync(server, "operator");

        foreach (var repository in new[]
        {
            server.Home.Repository, $"file://{server.Home.Repository}", $"FILE://localhost{server.Home.Repository}",
            "../repository", "/nowhere", "/etc", "file:///etc",
        })
        {
            var (path, why) = await server.AskAsync(
                HttpMethod.Post, "/api/v1/runs", Soon,
                server.Body("text Done.", new(StringComparer.Ordinal) { ["repository"] = repository }), token);

            Assert.Equal((HttpStatusCode.Forbidden, repository), (path, repository));
            Assert.Contains("repository_forbidden", why, StringComparison.Ordinal);
        }

        var (bare, reason) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon,
            server.Body("text Done.", new(StringComparer.Ordinal) { ["sandbox"] = "none" }), token);

        Assert.Equal(HttpStatusCode.Forbidden, bare);
        Assert.Contains("sandbox_forbidden", reason, StringComparison.Ordinal);
        await AssertNothingMadeAsync(server);
    }

    [Fact]
    public async Task An_operator_reaches_the_folders_that_the_server_names()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var token = await TokenAsync(server, "operator");
        server.Home.Set("BERTH_REPOSITORIES", server.Home.Repository);
        await server.KillAsync(Soon);
        await server.StartAgainAsync(Soon);

        var (named, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon, server.Body("text Done."), token);
        var id = JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!;

        Assert.Equal(HttpStatusCode.Accepted, named);
        Assert.Equal("a-operator", (await server.FinalAsync(id, Soon)).GetProperty("createdBy").GetString());
    }

    /// <summary>What is wrong in a request, the code of the refusal and a word of it. R is the repository.</summary>
    private static readonly (string Body, string Code, string Words)[] Wrong =
    [
        ("{", "request_invalid", "not valid JSON at line 1"),
        ("[]", "request_invalid", "no JSON object"),
        ("""{"workflow":"fix","workflow":"fix","message":"x"}""", "request_invalid", "not valid JSON"),
        ("""{"message":"x"}""", "request_invalid", "workflow is missing"),
        ("""{"workflow":"fix","mesage":"x"}""", "request_invalid", "no field \\\"mesage\\\""),
        ("""{"workflow":"fix","message":7}""", "request_invalid", "message is not valid"),
        ("""{"workflow":"fix","message":"\ud800"}""", "request_invalid", "message is not valid"),
        ("""{"workflow":"fix","message":"a\u0000b","repository":"R"}""", "prompt_invalid", "NUL"),
        ("""{"workflow":"../x","message":"x","repository":"R"}""", "workflow_name_invalid", "../x"),
        ("""{"workflow":"nosuch","message":"x","repository":"R"}""", "workflow_not_found", "implement"),
        ("""{"workflow":"fix","message":"x"}""", "repository_missing", "names no repository"),
        ("""{"workflow":"fix","message":"x","repository":"ext::sh"}""", "repository_url_refused", "urn:"),
        ("""{"workflow":"fix","message":"x","repository":"R","maxTurns":0}""", "request_invalid", "maxTurns"),
        ("""{"workflow":"fix","message":"x","repository":"R","maxTurns":1.5}""", "request_invalid", "1 to 1000"),
        ("""{"workflow":"fix","message":"x","repository":"R","mode":"moon"}""", "mode_unknown", "moon"),
        ("""{"workflow":"fix","message":"x","repository":"R","priority":101}""", "request_invalid", "priority"),
        ("""{"workflow":"fix","message":"x","repository":"R","labels":{"a b":"c"}}""", "label_invalid", "labels"),
        ("""{"workflow":"fix","message":"x","repository":"R","env":{"BERTH_X":"c"}}""", "environment_", "BERTH_X"),
        ("""{"workflow":"fix","message":"x","repository":"R","branch":"--exec=x"}""", "branch_invalid", "branch"),
    ];

    [Fact]
    public async Task A_request_that_is_not_valid_is_refused_and_nothing_is_made()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        foreach (var (body, code, words) in Wrong)
        {
            var sent = body.Replace("\"R\"", $"\"{server.Home.Repository}\"", StringComparison.Ordinal);
            var (status, text) = await server.AskAsync(HttpMethod.Post, "/api/v1/runs", Soon, sent);

            Assert.Equal((HttpStatusCode.BadRequest, body), (status, body));
            Assert.Contains($"\"code\":\"{code}", text, StringComparison.Ordinal);
            Assert.Contains(words, text, StringComparison.Ordinal);
        }

        await AssertNothingMadeAsync(server);
    }

    [Fact]
    public async Task Bodies_that_are_too_large_and_addresses_that_are_tricks_are_refused()
    {
        await using var server = await ServerHome.StartAsync(Soon);

        // A client that is not answered in a second sends the body all the same, and the server hangs up on it.
        using var patient = new SocketsHttpHandler { Expect100ContinueTimeout = BerthHome.Patience };
        using var http = new HttpClient(patient);
        using var large = server.Request(HttpMethod.Post, "/api/v1/runs");
        large.Content = new StringContent(new string(' ', 33 * 1024 * 1024), Encoding.UTF8, "application/json");
        large.Headers.ExpectContinue = true;
        using var plain = server.Request(HttpMethod.Post, "/api/v1/runs");
        plain.Content = new StringContent("workflow=fix", Encoding.UTF8, "application/x-www-form-urlencoded");

        using var tooLarge = await http.SendAsync(large, Soon);
        using var notJson = await http.SendAsync(plain, Soon);

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLarge.StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, notJson.StatusCode);
        foreach (var trick in new[] { "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "%2fetc", "x'%20or%201=1", Id })
        {
            var (status, text) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{trick}", Soon);
            Assert.Contains(status, new[] { HttpStatusCode.NotFound, HttpStatusCode.BadRequest });
            Assert.DoesNotContain("root:", text, StringComparison.Ordinal);
            var (events, _) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{trick}/events", Soon);
            Assert.Equal(status, events);
        }

        await AssertNothingMadeAsync(server);
    }

    [Fact]
    public async Task Without_tokens_it_serves_this_machine_only()
    {
        await using var server = await ServerHome.StartAsync(Soon, settings: null, "--no-auth");
        var far = await server.Home.BerthAsync(
            Soon, "serve", "--no-auth", "--urls", "http://0.0.0.0:0");

        using var http = new HttpClient();
        using var rebound = server.Request(HttpMethod.Get, "/api/v1/runs");
        rebound.Headers.Host = "evil.example";
        using var answer = await http.SendAsync(rebound, Soon);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, HttpMethod.Get, "/api/v1/runs", string.Empty));
        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("no_auth_not_local", far.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tokens_are_made_listed_and_kept_as_hashes()
    {
        await using var server = await ServerHome.StartAsync(Soon);

        var made = await server.Home.BerthAsync(
            Soon, "token", "create", "--name", "ci", "--role", "operator", "--json");
        var again = await server.Home.BerthAsync(Soon, "token", "create", "--name", "ci", "--role", "viewer");
        var listed = await server.Home.BerthAsync(Soon, "token", "list", "--json");
        var token = made.Json.GetProperty("token").GetString()!;

        Assert.Equal("ci", made.Json.GetProperty("name").GetString());
        Assert.Equal("operator", made.Json.GetProperty("role").GetString());
        Assert.Contains("token_exists", again.Error, StringComparison.Ordinal);
        Assert.Equal(
            ["admin", "ci"],
            listed.Json.EnumerateArray().Select(entry => entry.GetProperty("name").GetString()));
        Assert.DoesNotContain(token.Split('_')[^1], listed.Output, StringComparison.Ordinal);
        foreach (var file in Directory.EnumerateFiles(server.Home.Home, "berth.db*"))
        {
            await using var content = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var bytes = new MemoryStream();
            await content.CopyToAsync(bytes, Soon);
            Assert.Equal(-1, bytes.ToArray().AsSpan().IndexOf(Encoding.ASCII.GetBytes(token.Split('_')[^1])));
        }
    }

    [Fact]
    public async Task A_server_that_cannot_listen_says_so_and_makes_no_token_that_nobody_sees()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await using var other = await BerthHome.CreateAsync(Soon);

        var refused = await other.BerthAsync(Soon, "serve", "--urls", server.Url.AbsoluteUri);
        var tokens = await other.BerthAsync(Soon, "token", "list", "--json");

        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("address_in_use", refused.Error, StringComparison.Ordinal);
        Assert.Equal(0, tokens.Json.GetArrayLength());
    }

    private static async Task<string> TokenAsync(ServerHome server, string role)
    {
        var made = await server.Home.BerthAsync(
            Soon, "token", "create", "--name", $"a-{role}", "--role", role, "--json");
        return made.Json.GetProperty("token").GetString()!;
    }

    private static async Task<HttpStatusCode> StatusAsync(
        ServerHome server, HttpMethod method, string path, string token) =>
        (await server.AskAsync(method, path, Soon, token: token)).Status;

    private static async Task AssertNothingMadeAsync(ServerHome server)
    {
        var (_, text) = await server.AskAsync(HttpMethod.Get, "/api/v1/runs", Soon);
        Assert.Equal(0, JsonDocument.Parse(text).RootElement.GetProperty("runs").GetArrayLength());
        Assert.False(Directory.Exists(Path.Combine(server.Home.Home, "runs"))
            && Directory.EnumerateDirectories(Path.Combine(server.Home.Home, "runs")).Any());
    }
}
