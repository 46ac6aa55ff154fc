using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Berth.Engine.Network;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Network;

/// <summary>The proxy itself, spoken to as hostile code inside would.</summary>
public sealed class EgressProxyTests : IAsyncDisposable
{
    private readonly RunDirectory run = new(Directory.CreateTempSubdirectory("berth-proxy-").FullName);
    private readonly LoopbackServer server = new();
    private readonly SeenConnections seen = new();
    private readonly SocketFolder folder;
    private EgressProxy? proxy;

    public EgressProxyTests()
    {
        Directory.CreateDirectory(run.GatewayFolder);
        folder = new SocketFolder(run.GatewayFolder);
    }

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tunnel_leads_to_an_allowed_host_and_its_bytes_are_counted()
    {
        Serve($"localhost:{server.Port}");

        var answer = await AskAsync($"CONNECT localhost:{server.Port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n");

        Assert.StartsWith(
            "HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200 OK", answer, StringComparison.Ordinal);
        Assert.EndsWith("anchored", answer, StringComparison.Ordinal);
        var passed = await Eventually.SomeAsync(
            () => Task.FromResult(seen.Passes.FirstOrDefault()), "the connection is told");
        Assert.Equal(("localhost", server.Port, 18L), (passed.Host, passed.Port, passed.BytesUp));
        Assert.InRange(passed.BytesDown, 60, 100);
        Assert.Null(passed.Failure);
    }

    [Fact]
    public async Task A_plain_request_is_passed_on_as_a_server_wants_it()
    {
        Serve($"localhost:{server.Port}");

        var answer = await AskAsync(
            $"GET http://LOCALHOST:{server.Port}/a?b=c HTTP/1.1\r\nHost: elsewhere\r\nProxy-Authorization: Basic x\r\n"
            + "Accept: */*\r\nConnection: keep-alive\r\n\r\n");

        Assert.EndsWith("anchored", answer, StringComparison.Ordinal);
        Assert.Equal(
            $"GET /a?b=c HTTP/1.1\r\nHost: LOCALHOST:{server.Port}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            Assert.Single(server.Requests));
    }

    [Fact]
    public async Task A_host_that_is_not_allowed_is_refused_with_a_sentence()
    {
        Serve("registry.example.com");

        foreach (var target in new[] { $"localhost:{server.Port}", "registry.example.com:22", "example.com:443" })
        {
            var answer = await AskAsync($"CONNECT {target} HTTP/1.1\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 403 Forbidden\r\n", answer, StringComparison.Ordinal);
            Assert.Contains($"may not reach {target}", answer, StringComparison.Ordinal);
            Assert.Contains("X-Berth-Refused: not_allowed", answer, StringComparison.Ordinal);
        }

        Assert.Equal(3, seen.Refusals.Count);
        Assert.All(seen.Refusals, refusal => Assert.Equal("not_allowed", refusal.Reason));
        Assert.Empty(seen.Passes);
    }

    [Theory]
    [InlineData("localhost")]
    [InlineData("127.0.0.1")]
    [InlineData("[::1]")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("0.0.0.0")]
    [InlineData("2130706433")]
    [InlineData("0x7f.1")]
    [InlineData("169.254.169.254")]
    public async Task An_allowed_name_of_an_inner_address_is_refused(string host)
    {
        proxy = new EgressProxy(
            run, new ProxyOptions { Hosts = [HostPattern.Parse($"{host}:{server.Port}")!] }, seen, TimeProvider.System);

        var answer = await AskAsync($"CONNECT {host}:{server.Port} HTTP/1.1\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 403 ", answer, StringComparison.Ordinal);
        Assert.Contains("X-Berth-Refused: private_address", answer, StringComparison.Ordinal);
        Assert.Equal("private_address", Assert.Single(seen.Refusals).Reason);
        Assert.Empty(server.Requests);
    }

    [Theory]
    [InlineData("\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT localhost HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT localhost:0 HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT localhost:65536 HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT local host:443 HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT user@localhost:443 HTTP/1.1\r\n\r\n")]
    [InlineData("CONNECT localhost:443 HTTP/3\r\n\r\n")]
    [InlineData("GET https://localhost/ HTTP/1.1\r\n\r\n")]
    [InlineData("GET http://user:word@localhost/ HTTP/1.1\r\n\r\n")]
    [InlineData("GET http://localhost/ HTTP/1.1\r\n folded: x\r\n\r\n")]
    [InlineData("GET http://localhost/ HTTP/1.1\r\nno colon\r\n\r\n")]
    [InlineData("GET http://localhost/ HTTP/1.1\r\na: b\nHost: c\r\n\r\n")]
    [InlineData("\0\0\0\0\r\n\r\n")]
    public async Task What_is_no_request_is_refused(string request)
    {
        Serve("localhost", "localhost:443");

        var answer = await AskAsync(request);

        Assert.StartsWith("HTTP/1.1 400 Bad Request\r\n", answer, StringComparison.Ordinal);
        Assert.Equal("bad_request", Assert.Single(seen.Refusals).Reason);
    }

    [Fact]
    public async Task A_head_without_an_end_is_refused()
    {
        Serve("localhost");

        var answer = await AskAsync(
            "GET http://localhost/ HTTP/1.1\r\na: " + new string('x', 2 * ProxyRequest.MaxHead));

        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("longer than", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_says_nothing_is_cut()
    {
        Serve(options => options with { HeadLimit = TimeSpan.FromSeconds(1) }, "localhost");

        var answer = await AskAsync("GET http");

        Assert.Contains("did not come within", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_that_falls_silent_is_cut()
    {
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var port = ((IPEndPoint)mute.LocalEndpoint).Port;
        Serve(options => options with { IdleLimit = TimeSpan.FromSeconds(3) }, $"localhost:{port}");

        var answer = await AskAsync($"CONNECT localhost:{port} HTTP/1.1\r\n\r\n");

        Assert.Equal("HTTP/1.1 200 Connection established\r\n\r\n", answer);
    }

    [Fact]
    public async Task A_host_that_cannot_be_reached_is_told_as_that()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        Serve($"localhost:{port}");

        var answer = await AskAsync($"CONNECT localhost:{port} HTTP/1.1\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 502 ", answer, StringComparison.Ordinal);
        var told = await Eventually.SomeAsync(() => Task.FromResult(seen.Passes.FirstOrDefault()), "it is told");
        Assert.Equal("the connection was refused", told.Failure);
    }

    [Fact]
    public async Task A_flood_has_a_bound_and_passes()
    {
        Serve(
            options => options with { MaxConnections = 4, HeadLimit = TimeSpan.FromSeconds(5) },
            $"localhost:{server.Port}");
        var flood = Enumerable.Range(0, 12).Select(_ => Connect()).ToList();

        // Four have a place, four are told that there is none, and the others are cut without a word.
        var answers = await Task.WhenAll(flood.Select(ReadAsync)).WaitAsync(Eventually.Bound, Ending);

        Assert.Contains(answers, answer => answer.StartsWith("HTTP/1.1 503 ", StringComparison.Ordinal));
        Assert.Contains(seen.Refusals, refusal => refusal.Reason is "too_many");
        Assert.Contains(answers, answer => answer.Contains("did not come within", StringComparison.Ordinal));
        flood.ForEach(socket => socket.Dispose());
        await Eventually.TrueAsync(
            async () => (await AskAsync($"CONNECT localhost:{server.Port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
                .EndsWith("anchored", StringComparison.Ordinal),
            "there is room again");
    }

    public async ValueTask DisposeAsync()
    {
        if (proxy is not null)
        {
            await proxy.DisposeAsync();
        }

        await server.DisposeAsync();
        folder.Dispose();
        Directory.Delete(run.Root, recursive: true);
    }

    private void Serve(params string[] hosts) => Serve(options => options, hosts);

    private void Serve(Func<ProxyOptions, ProxyOptions> change, params string[] hosts) => proxy = new EgressProxy(
        run,
        change(new ProxyOptions
        {
            Hosts = [.. hosts.Select(host => HostPattern.Parse(host)!)],
            Permitted = [AddressGuard.Read("127.0.0.1")!.Value],
        }),
        seen,
        TimeProvider.System);

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(folder.EndPoint(RunDirectory.ProxySocketName));
        return socket;
    }

    private async Task<string> AskAsync(string request)
    {
        using var socket = Connect();
        await socket.SendAsync(Encoding.Latin1.GetBytes(request), Ending);
        return await ReadAsync(socket);
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        using var bound = new CancellationTokenSource(Eventually.Bound);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, bound.Token) is > 0 and var count)
            {
                answer.Append(CultureInfo.InvariantCulture, $"{Encoding.UTF8.GetString(buffer, 0, count)}");
            }
        }
        catch (SocketException)
        {
            // Cut.
        }

        return answer.ToString();
    }
}
