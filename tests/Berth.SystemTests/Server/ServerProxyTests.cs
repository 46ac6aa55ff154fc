using System.Globalization;
using System.Net;
using System.Text;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Where requests come from, behind a proxy and without one.</summary>
public sealed class ServerProxyTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_proxy_that_is_named_says_where_requests_come_from()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("BERTH_PROXIES", "127.0.0.0/8, 10.0.0.0/8")]);

        await SubmitAsync(server, "203.0.113.9");
        await SubmitAsync(server, "198.51.100.7, 203.0.113.10, 10.1.2.3");
        await SubmitAsync(server, "nonsense");
        var wrong = await WrongTokensAsync(server);

        // Only what the named ones added counts: what stands before it, the caller wrote himself.
        Assert.Equal(["203.0.113.9", "203.0.113.10", "127.0.0.1"], Addresses(server));
        Assert.DoesNotContain(HttpStatusCode.TooManyRequests, wrong);
    }

    [Fact]
    public async Task Anybody_else_s_word_for_it_counts_for_nothing()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("BERTH_PROXIES", "10.0.0.0/8")]);

        await SubmitAsync(server, "203.0.113.9");
        var wrong = await WrongTokensAsync(server);

        Assert.Equal(["127.0.0.1"], Addresses(server));
        Assert.Equal(HttpStatusCode.TooManyRequests, wrong[^1]);
    }

    private static IEnumerable<string> Addresses(ServerHome server) =>
        ServerState.Audit(server).Where(line => line.Contains("run.create", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[^1]);

    private static async Task SubmitAsync(ServerHome server, string from)
    {
        using var http = new HttpClient();
        using var request = server.Request(HttpMethod.Post, "/api/v1/runs");
        request.Headers.Add("X-Forwarded-For", from);
        request.Content = new StringContent(server.Body("text Done."), Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request, Soon);
        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
    }

    private static async Task<IReadOnlyList<HttpStatusCode>> WrongTokensAsync(ServerHome server)
    {
        using var http = new HttpClient();
        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 12; i++)
        {
            using var request = server.Request(HttpMethod.Get, "/api/v1/runs", server.Token[..^1] + "!");
            request.Headers.Add("X-Forwarded-For", string.Create(CultureInfo.InvariantCulture, $"203.0.113.{i + 20}"));
            using var response = await http.SendAsync(request, Soon);
            statuses.Add(response.StatusCode);
        }

        return statuses;
    }
}
