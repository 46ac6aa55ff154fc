using System.Net.Http.Headers;
using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What leaves a server has none of the secrets that are known when it leaves.</summary>
public sealed class LeavingTests
{
    // Nobody knows that it is one while the run is at work.
    private const string Late = "late-secret-of-a-host-77aa";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F57_No_address_shows_a_secret_that_became_known_after_the_run()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var run = await server.SubmitAsync(
            $"bash echo {Late} > {Late}.txt; echo {Late} > $BERTH_ARTIFACTS/{Late}.txt; "
                + $"printf 'a\\0{Late}\\0b' > $BERTH_ARTIFACTS/raw.bin; echo clean > $BERTH_ARTIFACTS/clean.txt\n---\n"
                + $"text Done with {Late}.",
            Soon,
            new(StringComparer.Ordinal)
            {
                ["labels"] = new Dictionary<string, string>(StringComparer.Ordinal) { ["note"] = Late },
                ["branch"] = $"work/{Late}",
            });
        var id = run.GetProperty("id").GetString()!;
        await server.FinalAsync(id, Soon);
        Assert.Contains(Late, await TextAsync(server, $"/api/v1/runs/{id}"), StringComparison.Ordinal);
        var names = JsonDocument.Parse(await TextAsync(server, $"/api/v1/runs/{id}/artifacts")).RootElement
            .EnumerateArray().Select(each => each.GetProperty("name").GetString()!).ToList();
        var file = Path.Combine(server.Home.Home, "git-credentials.json");
        var entries = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["git.example.org"] = new { token = Late },
        };
        await File.WriteAllTextAsync(file, JsonSerializer.Serialize(entries), Soon);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        var calls = new ApiCalls(server, id);
        var addresses = ApiCalls.Document.Operations.Where(each => each.Method is "GET")
            .Select(each => each.Path.Contains("{name}", StringComparison.Ordinal)
                ? "/api/v1/workflows/implement" : calls.PathOf(each))
            .Concat(names.Select(name => $"/api/v1/runs/{id}/artifacts/{Uri.EscapeDataString(name)}"
                .Replace("%2F", "/", StringComparison.Ordinal)))
            .Append("/api/v1/runs?limit=10").Distinct(StringComparer.Ordinal).ToList();
        foreach (var address in addresses)
        {
            foreach (var accept in new[] { "application/json", "application/x-ndjson", "text/event-stream", "*/*" })
            {
                var shown = await TextAsync(server, address, accept);
                Assert.True(
                    !shown.Contains(Late, StringComparison.Ordinal), $"{address} as {accept} shows it: {shown}");
            }
        }

        // A file without one is sent as it is, in parts too.
        using var http = new HttpClient();
        using var part = server.Request(HttpMethod.Get, $"/api/v1/runs/{id}/artifacts/files/clean.txt");
        part.Headers.Range = new RangeHeaderValue(0, 2);
        using var answer = await http.SendAsync(part, Soon);
        Assert.Equal("cle", await answer.Content.ReadAsStringAsync(Soon));
        Assert.Equal(206, (int)answer.StatusCode);
        Assert.Contains(addresses, address => address.EndsWith("/log", StringComparison.Ordinal));
        Assert.Contains(names, name => name.EndsWith("raw.bin", StringComparison.Ordinal));

        // What is changed answers with a run too.
        var (_, cancelled) = await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel", Soon);
        Assert.DoesNotContain(Late, cancelled, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"succeeded\"", cancelled, StringComparison.Ordinal);
    }

    private static async Task<string> TextAsync(ServerHome server, string path, string? accept = null)
    {
        using var http = new HttpClient();
        using var request = server.Request(HttpMethod.Get, path);
        if (accept is not null)
        {
            request.Headers.TryAddWithoutValidation("Accept", accept);
        }

        using var answer = await http.SendAsync(request, Soon);
        return await answer.Content.ReadAsStringAsync(Soon);
    }
}
