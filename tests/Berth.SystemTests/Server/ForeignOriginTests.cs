using System.Net;
using System.Text;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What a page of another site can have somebody's browser ask a server.</summary>
public sealed class ForeignOriginTests
{
    // As browsers send them; null for a header that is not there.
    private static readonly (string? Origin, string? Site, string? Mode)[] Foreign =
    [
        ("https://evil.example", "cross-site", "cors"),
        ("https://evil.example", "cross-site", "no-cors"),
        ("https://evil.example", null, null),
        ("null", null, null),
        ("null", "cross-site", "navigate"),
        (null, "cross-site", "no-cors"),
        ("http://127.0.0.1:9", "same-site", "cors"),
        ("http://127.0.0.1:9", null, null),
        ("http://localhost", null, null),
        (null, "same-site", "navigate"),
        ("file://", null, null),
        ("https://evil.example", "same-origin", "cors"),
        (null, "cross-site, same-origin", "cors"),
    ];

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F52_A_page_of_another_site_changes_and_reads_nothing()
    {
        await using var server = await ServerHome.StartAsync(Soon, settings: null, "--no-auth");
        var run = await server.SubmitAsync("hang", Soon);
        var id = run.GetProperty("id").GetString()!;
        using var http = new HttpClient();
        foreach (var (origin, site, mode) in Foreign)
        {
            foreach (var row in ServerAccessTests.Addresses.Where(row => row.Data.Item3 is not null))
            {
                var path = row.Data.Item2.Replace(ServerAccessTests.Id, id, StringComparison.Ordinal);
                using var request = Request(server, row.Data.Item1, path, origin, site, mode);
                using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Soon);
                var text = await answer.Content.ReadAsStringAsync(Soon);

                Assert.True(
                    answer.StatusCode == HttpStatusCode.Forbidden
                    && text.Contains("origin_foreign", StringComparison.Ordinal),
                    $"{request.Method} {path} from {origin} ({site}, {mode}): {answer.StatusCode} {text}");
            }
        }

        Assert.Equal(0, (await server.ShowAsync(id, Soon)).GetProperty("finishedAt").GetString()?.Length ?? 0);
        var page = server.Url.AbsoluteUri.TrimEnd('/');
        using var own = Request(server, "POST", $"/api/v1/runs/{id}/cancel?force=true", page, "same-origin", "cors");
        using var cancelled = await http.SendAsync(own, Soon);
        Assert.Equal(HttpStatusCode.OK, cancelled.StatusCode);
        Assert.Equal("cancelled", (await server.FinalAsync(id, Soon)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task F52_A_link_that_somebody_follows_is_answered_and_a_page_in_a_frame_is_not()
    {
        await using var server = await ServerHome.StartAsync(Soon, settings: null, "--no-auth");
        using var http = new HttpClient();
        foreach (var (place, expected) in new[]
        {
            ("document", HttpStatusCode.OK), ("iframe", HttpStatusCode.Forbidden), ("image", HttpStatusCode.Forbidden),
        })
        {
            using var request = Request(server, "GET", "/api/v1/runs", origin: null, "cross-site", "navigate");
            request.Headers.Add("Sec-Fetch-Dest", place);
            using var answer = await http.SendAsync(request, Soon);
            Assert.Equal((place, expected), (place, answer.StatusCode));
        }
    }

    [Fact]
    public async Task F52_With_a_token_too_a_foreign_page_is_refused_and_a_proxy_may_change_the_name()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        using var http = new HttpClient();
        using var foreign = Request(server, "GET", "/api/v1/runs", "https://evil.example", "cross-site", "cors");
        using var proxied = Request(server, "GET", "/api/v1/runs", "https://berth.example", "same-origin", "cors");

        using var refused = await http.SendAsync(foreign, Soon);
        using var answered = await http.SendAsync(proxied, Soon);

        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Fact]
    public async Task F52_A_part_of_an_id_changes_nothing()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var run = await server.SubmitAsync("hang", Soon);
        var id = run.GetProperty("id").GetString()!;
        foreach (var part in new[] { id[..4], id[^8..], id[..^1], id[1..], id[^8..].ToUpperInvariant() })
        {
            foreach (var row in ServerAccessTests.Addresses
                .Where(row => row.Data is { Item3: not null } && row.Data.Item1 is not "GET"
                    && row.Data.Item2.Contains(ServerAccessTests.Id, StringComparison.Ordinal)))
            {
                var path = row.Data.Item2.Replace(ServerAccessTests.Id, part, StringComparison.Ordinal);
                var (status, text) = await server.AskAsync(new HttpMethod(row.Data.Item1), path, Soon);
                Assert.Equal((path, HttpStatusCode.BadRequest), (path, status));
                Assert.Contains("run_id_incomplete", text, StringComparison.Ordinal);
            }

            var (went, why) = await server.AskAsync(
                HttpMethod.Post, "/api/v1/runs", Soon,
                server.Body("text Done.", new(StringComparer.Ordinal) { ["continueFrom"] = part }));
            Assert.Equal(HttpStatusCode.BadRequest, went);
            Assert.Contains("run_id_incomplete", why, StringComparison.Ordinal);
        }

        var (read, _) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id[^8..]}", Soon);
        server.Home.Set("BERTH_SERVER", server.Url.AbsoluteUri);
        server.Home.Set("BERTH_TOKEN", server.Token);
        var typed = await server.Home.BerthAsync(Soon, "cancel", "--force", id[^8..]);
        server.Home.Set("BERTH_SERVER", null);

        Assert.Equal(HttpStatusCode.OK, read);
        Assert.True(typed.ExitCode == 0, typed.Error);
        Assert.Equal("cancelled", (await server.FinalAsync(id, Soon)).GetProperty("state").GetString());
    }

    private static HttpRequestMessage Request(
        ServerHome server, string method, string path, string? origin, string? site, string? mode)
    {
        var request = server.Request(new HttpMethod(method), path);
        foreach (var (name, value) in new[]
        {
            ("Origin", origin), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode),
        })
        {
            if (value is not null)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        // As a form of a page, or a text, would send it: neither asks the server first.
        if (method is "POST" or "PUT")
        {
            request.Content = new StringContent("{}", Encoding.UTF8, "text/plain");
        }

        return request;
    }
}
