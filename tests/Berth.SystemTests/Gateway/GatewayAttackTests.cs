using System.Text;
using Berth.Engine.Gateway;
using Xunit;

namespace Berth.SystemTests.Gateway;

/// <summary>FAULTS F 45 and 49: the agent speaks HTTP to the gateway as no client does.</summary>
public sealed class GatewayAttackTests
{
    private const string Post = "POST /v1/messages HTTP/1.1\r\nHost: gateway\r\n";
    private const string Smuggled = "GET /v1/files HTTP/1.1\r\nHost: gateway\r\n\r\n";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Malformed => new()
    {
        { "two lengths", Post + "Content-Length: 2\r\nContent-Length: 60\r\n\r\n[]" + Smuggled },
        { "a list of lengths", Post + "Content-Length: 2, 60\r\n\r\n[]" + Smuggled },
        { "a signed length", Post + "Content-Length: +2\r\n\r\n[]" },
        { "a folded header", Post + "Content-Length: 2\r\nX-A: b\r\n c\r\n\r\n[]" },
        { "a space before the colon", Post + "Content-Length : 2\r\n\r\n[]" },
        { "CONNECT", "CONNECT e.example:443 HTTP/1.1\r\nHost: e.example:443\r\n\r\n" },
        { "another host", "POST http://e.example/v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" },
        { "a path upwards", "POST /v1/messages/../files HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" },
        { "an escaped path", "POST /v1/messages%2f..%2ffiles HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" },
        { "two slashes", "POST //v1/messages HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" },
        { "batches", "POST /v1/messages/batches HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\n[]" },
        { "files", "GET /v1/files HTTP/1.1\r\nHost: g\r\n\r\n" },
        { "models", "GET /v1/models HTTP/1.1\r\nHost: g\r\n\r\n" },
        { "both", Post + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n" },
        { "an unknown coding", Post + "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\n[]" },
        { "gzip in chunks", Post + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n" },
        { "a bad chunk", Post + "Transfer-Encoding: chunked\r\n\r\nZZ\r\n[]\r\n0\r\n\r\n" },
        { "a negative chunk", Post + "Transfer-Encoding: chunked\r\n\r\n-2\r\n[]\r\n0\r\n\r\n" },
        { "many headers", Post + string.Concat(Enumerable.Range(0, 500).Select(n => $"X-{n}: 1\r\n")) + "\r\n" },
        { "a long header", Post + $"X-A: {new string('a', 100_000)}\r\n\r\n" },
        { "an upgrade", "GET /v1/messages HTTP/1.1\r\nHost: g\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" },
        { "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
        { "a control character", Post + "X-A: a\0b\r\nContent-Length: 2\r\n\r\n[]" },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task F45_Nothing_malformed_reaches_the_upstream(string name, string request)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var answer = await stage.ExchangeAsync(Encoding.Latin1.GetBytes(request), Cancel, closeFirst: true);

        Assert.True(
            answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{name}: {answer}");
        Assert.DoesNotContain("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Empty(stage.Model.Requests);
        await WorksAsync(stage);
    }

    [Fact]
    public async Task F45_A_request_behind_another_one_is_judged_like_any()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var first = Encoding.UTF8.GetBytes(GatewayStage.Body("text one"));
        byte[] requests =
        [
            .. Encoding.ASCII.GetBytes(Post + $"Content-Length: {first.Length}\r\n\r\n"), .. first,
            .. GatewayStage.Request("""{"model": "m", "messages": [], "mcp_servers": []}"""),
        ];
        var answer = await stage.ExchangeAsync(requests, Cancel);

        Assert.Contains("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Contains("HTTP/1.1 403", answer, StringComparison.Ordinal);
        Assert.Single(stage.Model.Requests);
    }

    [Theory]
    [InlineData("Expect: 100-continue\r\n")]
    [InlineData("TE: trailers\r\n")]
    [InlineData("Authorization: Bearer mine\r\nx-api-key: mine\r\nCookie: a=b\r\n")]
    [InlineData("X-Forwarded-For: 1.2.3.4\r\nHost-Override: e.example\r\nanthropic-beta: mcp-client-2025-11-20\r\n")]
    public async Task F45_Headers_that_mean_something_between_two_programs_go_no_further(string headers)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var answer = await stage.ExchangeAsync(
            GatewayStage.Request(GatewayStage.Body("text hello"), headers), Cancel);

        Assert.Contains("HTTP/1.1 200", answer, StringComparison.Ordinal);
        var seen = Assert.Single(stage.Model.Requests);
        Assert.DoesNotContain("mine", string.Join(' ', seen.Headers.Values), StringComparison.Ordinal);
        foreach (var name in headers.Split("\r\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line[..line.IndexOf(':', StringComparison.Ordinal)])
            .Where(name => name is not "x-api-key"))
        {
            Assert.False(seen.Headers.ContainsKey(name), name);
        }
    }

    [Fact]
    public async Task F59_Betas_that_are_left_out_are_told_up_to_a_number()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        for (var call = 0; call < 3; call++)
        {
            var betas = string.Join(',', Enumerable.Range(0, 60).Select(number => $"no-{call}-such-{number}-beta"));
            _ = await stage.ExchangeAsync(
                GatewayStage.Request(GatewayStage.Body("text hello"), $"anthropic-beta: {betas}\r\n"), Cancel);
        }

        Assert.Equal(20, stage.Dropped.Count);
        Assert.Equal(3, stage.Model.Requests.Count);
    }

    [Fact]
    public async Task F45_Chunks_with_trailers_are_one_request_without_them()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var body = GatewayStage.Body("text hello");
        var answer = await stage.ExchangeAsync(
            Encoding.UTF8.GetBytes(
                Post + "Connection: close\r\nTransfer-Encoding: chunked\r\nTrailer: anthropic-beta\r\n\r\n"
                + $"{Encoding.UTF8.GetByteCount(body):x};a=b\r\n{body}\r\n"
                + "0\r\nanthropic-beta: mcp-client-2025-11-20\r\n\r\n"),
            Cancel);

        Assert.Contains("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.False(Assert.Single(stage.Model.Requests).Headers.ContainsKey("anthropic-beta"));
    }

    [Theory]
    [InlineData("Content-Length: 65011712\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n")]
    public async Task F49_Requests_that_are_too_large_or_come_slowly_leave_room_for_others(string length)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var slow = new List<IAsyncDisposable>();
        for (var at = 0; at < 24; at++)
        {
            var stream = await stage.ConnectAsync(Cancel);
            slow.Add(stream);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(Post + length + "\r\n1000\r\n{"), Cancel);
        }

        await WorksAsync(stage);
        Assert.True(GC.GetTotalAllocatedBytes(precise: true) - before < 100 * 1024 * 1024);
        foreach (var stream in slow)
        {
            await stream.DisposeAsync();
        }
    }

    [Fact]
    public async Task F59_Tokens_are_not_counted_without_end()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        using var client = stage.Client();
        for (var at = 0; at < 4 * CountLimiter.Burst && stage.Refused.IsEmpty; at++)
        {
            using var content = new StringContent("""{"model": "m", "messages": []}""");
            using var response = await client.PostAsync(
                new Uri("http://gateway/v1/messages/count_tokens"), content, Cancel);
        }

        Assert.Equal("model_count_limit", stage.Refused.First().Code);
        Assert.True(stage.Model.Requests.Count >= CountLimiter.Burst);
    }

    // What came before has broken nothing.
    private static async Task WorksAsync(GatewayStage stage)
    {
        var before = stage.Model.Requests.Count;
        var answer = await stage.ExchangeAsync(GatewayStage.Request(GatewayStage.Body("text hello")), Cancel);
        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Equal(before + 1, stage.Model.Requests.Count);
    }
}
