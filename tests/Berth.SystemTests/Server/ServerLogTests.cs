using System.Text.Json;
using System.Text.RegularExpressions;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What a server says on standard error, and what it never says.</summary>
public sealed partial class ServerLogTests
{
    private const string Secret = "s3cr3t";
    private static readonly string[] AsJson = ["--log-format", "json"];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_line_is_an_object_and_names_its_run_and_no_secret_is_in_it()
    {
        await using var server = await ServerHome.StartAsync(Soon, settings: null, AsJson);

        var id = await PlayAsync(server);

        var lines = server.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var requests = lines.Where(line => line.TryGetProperty("route", out _)).ToList();
        Assert.All(lines, line => Assert.Equal(JsonValueKind.String, line.GetProperty("message").ValueKind));
        Assert.All(lines, line => Assert.True(line.GetProperty("at").TryGetDateTimeOffset(out _)));
        Assert.All(
            lines.Where(line => line.GetRawText().Contains(id, StringComparison.Ordinal)),
            line => Assert.Equal(id, line.GetProperty("run").GetString()));
        Assert.Contains(lines, line => line.GetProperty("message").ValueEquals($"run {id} is succeeded"));
        Assert.Contains("POST /api/v1/runs 202 admin", requests.Select(Words));
        Assert.Contains("GET /api/v1/runs/{id} 200 admin", requests.Select(Words));
        Assert.Contains("GET /api/v1/runs 401 nobody", requests.Select(Words));
        Assert.Contains("GET /api/v1/runs/{id} 404 admin", requests.Select(Words));
        Assert.Contains("GET nowhere 404 nobody", requests.Select(Words));
        Assert.Contains("OTHER nowhere 405 nobody", requests.Select(Words));
        Assert.DoesNotContain(requests, line => line.GetProperty("route").ValueEquals("/healthz"));
        Assert.All(
            requests.Where(line => Words(line) is "POST /api/v1/runs 202 admin" or "GET /api/v1/runs/{id} 200 admin"),
            line => Assert.Equal(id, line.GetProperty("run").GetString()));
        AssertNoSecret(server);
    }

    [Fact]
    public async Task For_people_it_is_a_line_each_and_as_silent()
    {
        await using var server = await ServerHome.StartAsync(Soon);

        var id = await PlayAsync(server);

        Assert.All(server.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches(Line, line));
        Assert.Contains($"info: run {id} is succeeded", server.Log, StringComparison.Ordinal);
        Assert.Matches($@"info: POST /api/v1/runs 202 in \d+ ms by admin \(run {id}\)", server.Log);
        AssertNoSecret(server);
    }

    // Secrets everywhere where somebody could put one; then the server's end, so that its whole log is there.
    private static async Task<string> PlayAsync(ServerHome server)
    {
        var run = await server.SubmitAsync($"bash echo {Secret}\n---\ntext {Secret}", Soon, new(StringComparer.Ordinal)
        {
            ["env"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["SHOP_KEY"] = $"{Secret}-of-the-run" },
        });
        var id = run.GetProperty("id").GetString()!;
        await server.FinalAsync(id, Soon);
        await server.AskAsync(HttpMethod.Get, $"/api/v1/runs?token={Secret}", Soon, token: $"berth_{Secret}");
        await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{Secret}", Soon);
        await server.AskAsync(HttpMethod.Get, $"/{Secret}?key={Secret}", Soon);
        await server.AskAsync(new HttpMethod(Secret), "/api/v1/runs", Soon);
        await server.AskAsync(HttpMethod.Post, "/api/v1/runs", Soon, $"{{\"{Secret}\":\"{Secret}\"}}");
        await server.AskAsync(HttpMethod.Get, "/healthz", Soon);
        await server.Home.BerthAsync(Soon, "drain");
        await server.EndAsync(Soon);
        return id;
    }

    private static void AssertNoSecret(ServerHome server)
    {
        Assert.DoesNotContain(Secret, server.Log, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(server.Token, server.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(BerthHome.DummyKey, server.Log, StringComparison.Ordinal);
    }

    private static string Words(JsonElement request) =>
        $"{request.GetProperty("method")} {request.GetProperty("route")} {request.GetProperty("status")} "
        + $"{request.GetProperty("caller")}";

    [GeneratedRegex(
        @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error): \S.*$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Line { get; }
}
