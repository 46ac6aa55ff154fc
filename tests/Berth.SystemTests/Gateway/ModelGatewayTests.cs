using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.ScriptedModel;
using Xunit;

namespace Berth.SystemTests.Gateway;

/// <summary>The gateway between a plain HTTP client on its socket and the scripted model as its upstream.</summary>
public sealed class ModelGatewayTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private readonly CancellationTokenSource limit = new(Patience);
    private readonly RunDirectory directory = new(Directory.CreateTempSubdirectory("berth-gateway-").FullName);
    private readonly Notes notes = new();
    private ScriptedModelServer model = null!;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(directory.GatewayFolder);
        model = await ScriptedModelServer.StartAsync(new ScriptedModelOptions(), limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await model.DisposeAsync();
        Directory.Delete(directory.Root, recursive: true);
        limit.Dispose();
    }

    [Fact]
    public async Task The_agents_placeholder_is_replaced_by_the_real_credential()
    {
        await using var gateway = await ServeAsync(Options with { ApiKey = "sk-real-key" });
        using var client = Client();
        using var request = Message("text hello");
        request.Headers.TryAddWithoutValidation("x-api-key", "placeholder");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer placeholder");
        using var response = await client.SendAsync(request, limit.Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var seen = Assert.Single(model.Requests);
        Assert.Equal("sk-real-key", seen.Headers["x-api-key"]);
        Assert.DoesNotContain("placeholder", string.Join(' ', seen.Headers.Values), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("auth", "Bearer tok-auth")]
    [InlineData("oauth", "Bearer tok-oauth")]
    public async Task A_token_is_sent_as_a_bearer(string kind, string expected)
    {
        var options = string.Equals(kind, "auth", StringComparison.Ordinal)
            ? Options with { ApiKey = null, AuthToken = "tok-auth" }
            : Options with { ApiKey = null, OAuthToken = "tok-oauth" };
        await using var gateway = await ServeAsync(options);
        using var client = Client();
        using var response = await client.SendAsync(Message("text hello"), limit.Token);

        Assert.Equal(expected, Assert.Single(model.Requests).Headers["authorization"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Tokens_are_counted_as_they_pass(bool stream)
    {
        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var response = await client.SendAsync(
            Message("usage in=123 out=45 cache-read=7\ntext hello", stream),
            limit.Token);
        await response.Content.ReadAsStringAsync(limit.Token);

        await Eventually.TrueAsync(
            () => notes.Totals with { CostUsd = 0 } == new ModelUsage(1, 130, 45) { CacheReadTokens = 7, Turns = 1 },
            "the tokens are counted",
            Patience);
    }

    [Fact]
    public async Task An_overload_that_passes_is_never_seen_by_the_agent()
    {
        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var response = await client.SendAsync(Message("error 529 times=1 Overloaded\ntext hello"), limit.Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(2, model.Requests.Count);
        Assert.Empty(notes.Refusals);
    }

    [Theory]
    [InlineData("error 401 bad key", 401, 1)]
    [InlineData("error 429 retry-after=3600 Later", 429, 1)]
    [InlineData("error 529 Overloaded", 529, 2)]
    public async Task A_final_refusal_keeps_its_status_and_is_not_to_be_retried(string script, int status, int requests)
    {
        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var response = await client.SendAsync(Message(script), limit.Token);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("false", Assert.Single(response.Headers.GetValues("x-should-retry")));
        Assert.Equal(requests, model.Requests.Count);
        Assert.Equal(status, Assert.Single(notes.Refusals));
    }

    [Fact]
    public async Task A_model_that_is_not_there_is_refused_by_name()
    {
        await using var gateway = await ServeAsync(
            Options with { Upstream = new Uri("http://127.0.0.1:1"), MaxRetries = 0 });
        using var client = Client();
        using var response = await client.SendAsync(Message("text hello"), limit.Token);

        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
        Assert.Contains("127.0.0.1", await response.Content.ReadAsStringAsync(limit.Token), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", "/v1/messages")]
    [InlineData("POST", "/v1/files")]
    [InlineData("POST", "/v1/messages/batches")]
    [InlineData("POST", "/v1/messages/../files")]
    [InlineData("DELETE", "/")]
    public async Task Whatever_is_not_on_the_list_is_not_forwarded(string method, string path)
    {
        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://gateway" + path);
        using var response = await client.SendAsync(request, limit.Token);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Empty(model.Requests);
    }

    [Fact]
    public async Task A_stream_that_breaks_upstream_is_cut_and_never_ends_cleanly()
    {
        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var request = Message("start\ntext The beginning\ncut");
        var status = HttpStatusCode.OK;
        var broken = await Record.ExceptionAsync(async () =>
        {
            using var response = await client.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            status = response.StatusCode;
            await response.Content.ReadAsStringAsync(limit.Token);
        });

        // Cut before its first byte was through, it is a refusal; after that, an answer broken at its head or in its
        // body. Never a whole one.
        Assert.True(broken is HttpRequestException or IOException || status == HttpStatusCode.BadGateway);
    }

    [Fact]
    public async Task A_new_gateway_takes_over_the_socket_of_a_dead_one()
    {
        using (var stale = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        using (var folder = new SocketFolder(directory.GatewayFolder))
        {
            stale.Bind(folder.EndPoint("other.sock"));
            File.Copy("/dev/null", Path.Combine(directory.GatewayFolder, RunDirectory.GatewaySocketName));
        }

        await using var gateway = await ServeAsync(Options);
        using var client = Client();
        using var response = await client.SendAsync(Message("text hello"), limit.Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    private GatewayOptions Options => new() { Upstream = model.Uri!, ApiKey = "sk-dummy-key", MaxRetries = 1 };

    private Task<ModelGateway> ServeAsync(GatewayOptions options) =>
        ModelGateway.ServeAsync(
            directory, options, notes, CallAdmission.Free(TimeProvider.System), TimeProvider.System, limit.Token);

    private HttpClient Client() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            var path = Path.Combine(directory.GatewayFolder, RunDirectory.GatewaySocketName);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        },
    });

    private static HttpRequestMessage Message(string script, bool stream = true)
    {
        var prompt = System.Text.Json.JsonSerializer.Serialize($"```script\n{script}\n```");
        var body = $$"""
            {"model": "m", "max_tokens": 100, "stream": {{(stream ? "true" : "false")}}, "tools": [{"name": "Bash"}],
             "messages": [{"role": "user", "content": {{prompt}}}]}
            """;
        return new HttpRequestMessage(HttpMethod.Post, "http://gateway/v1/messages?beta=true")
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
    }

    private sealed class Notes : IGatewayObserver
    {
        private readonly List<int> refusals = [];

        public ModelUsage Totals { get; private set; } = new();

        public IReadOnlyList<int> Refusals => refusals;

        public void Begun(PendingCall call)
        {
            // What it came to follows.
        }

        public void Counted(ModelUsage totals, string? call) => Totals = totals;

        public void RequestRefused(RequestRefusal refusal) => NotForwarded.Enqueue(refusal);

        public void BetaDropped(string beta) => NotForwarded.Enqueue(new(0, "beta", beta));

        public ConcurrentQueue<RequestRefusal> NotForwarded { get; } = [];

        public void Refused(int status, string message) => refusals.Add(status);

        public void BudgetSpent(BudgetStop stop) => Stops.Add(stop);

        public void Unpriced(string model) => Unknown.Add(model);

        public ConcurrentBag<BudgetStop> Stops { get; } = [];

        public ConcurrentBag<string> Unknown { get; } = [];
    }
}
