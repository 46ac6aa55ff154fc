using System.Net;
using System.Net.Sockets;
using System.Text;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Whether those who say nothing, or the wrong thing, shut others out.</summary>
public sealed class ConnectionPlaceTests
{
    private const int Many = 5000;

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F54_Thousands_of_connections_without_a_token_shut_out_nobody()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var run = await server.SubmitAsync("hang", Soon);
        var id = run.GetProperty("id").GetString()!;
        using var http = new HttpClient { Timeout = BerthHome.Patience };
        using var follow = server.Request(HttpMethod.Get, $"/api/v1/runs/{id}/events");
        using var events = await http.SendAsync(follow, HttpCompletionOption.ResponseHeadersRead, Soon);
        await using var stream = await events.Content.ReadAsStreamAsync(Soon);
        var open = new List<Socket>();
        try
        {
            var half = Encoding.ASCII.GetBytes("GET /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
            for (var at = 0; at < Many; at++)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                open.Add(socket);
                await socket.ConnectAsync(IPAddress.Loopback, server.Url.Port, Soon);
                if (at % 2 == 0)
                {
                    await SayAsync(socket, half);
                }
            }

            // Each on a connection of its own, as who comes only now has it.
            for (var at = 0; at < 10; at++)
            {
                Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/healthz", token: null));
                Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/readyz", token: null));
                Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/api/v1/runs", server.Token));
            }

            Assert.Equal(
                HttpStatusCode.OK,
                (await server.AskAsync(HttpMethod.Post, $"/api/v1/runs/{id}/cancel?force=true", Soon)).Status);
        }
        finally
        {
            open.ForEach(socket => socket.Dispose());
        }

        // Who read events before has them to their end.
        using var reader = new StreamReader(stream);
        var read = await reader.ReadToEndAsync(Soon).WaitAsync(BerthHome.Patience, Soon);
        Assert.Contains("run_finished", read, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F54_Wrong_tokens_do_not_bar_the_right_one_of_their_address()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var statuses = new List<HttpStatusCode>();
        for (var at = 0; at < 30; at++)
        {
            statuses.Add(await StatusAsync(server, "/api/v1/runs", server.Token[..^1] + "!"));
            Assert.Equal(HttpStatusCode.OK, await StatusAsync(server, "/api/v1/runs", server.Token));
        }

        Assert.Contains(HttpStatusCode.TooManyRequests, statuses);
    }

    // The server may have given the place to another one already.
    private static async Task SayAsync(Socket socket, byte[] words)
    {
        try
        {
            await socket.SendAsync(words, Soon);
        }
        catch (SocketException)
        {
            // As it should.
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(ServerHome server, string path, string? token)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(60) };
        using var request = server.Request(HttpMethod.Get, path, token ?? string.Empty);
        using var answer = await http.SendAsync(request, Soon);
        return answer.StatusCode;
    }
}
