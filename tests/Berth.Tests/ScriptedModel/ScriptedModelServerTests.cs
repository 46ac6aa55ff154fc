using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Berth.ScriptedModel;
using Xunit;

namespace Berth.Tests.ScriptedModel;

public sealed class ScriptedModelServerTests : IAsyncLifetime
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("berth-model-").FullName;
    private readonly HttpClient client = new() { Timeout = Bound };
    private ScriptedModelServer server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string SocketFile => Path.Combine(folder, "model.sock");

    private string LogFile => Path.Combine(folder, "log.ndjson");

    public async ValueTask InitializeAsync() => server = await ScriptedModelServer.StartAsync(
        new() { LogFile = LogFile, UnixSocket = SocketFile, BodiesFolder = folder, KeepBodies = true },
        Cancellation);

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_streamed_answer_has_the_events_of_the_api()
    {
        var events = await StreamAsync(Ask(
            "Please.\n```script\nthinking Hm.\ntext Hi from {{cwd}}.\ntool Read {\"p\":\"{{cwd}}/a\"}\n```"));

        Assert.Equal(
            [
                "message_start",
                "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
                "content_block_start", "content_block_delta", "content_block_stop",
                "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
            ],
            events.Select(e => (string)e["type"]!), StringComparer.Ordinal);
        Assert.Equal("claude-test", (string)events[0]["message"]!["model"]!);
        Assert.Equal("Hi from /somewhere.", (string)events[6]["delta"]!["text"]!);
        Assert.Equal("{\"p\":\"/somewhere/a\"}", (string)events[9]["delta"]!["partial_json"]!);
        Assert.Equal("tool_use", (string)events[11]["delta"]!["stop_reason"]!);
        Assert.Equal(100, (int)events[11]["usage"]!["output_tokens"]!);
    }

    [Fact]
    public async Task A_whole_answer_is_one_message()
    {
        var answer = await WholeAsync(Ask(
            "```script\nthinking a\ntext b\nbash c\nstart\npings 1 every=1ms\nraw x\nusage in=5 out=6\n```"));

        Assert.Equal(["thinking", "text", "tool_use"], Types(answer), StringComparer.Ordinal);
        Assert.Equal("c", (string)answer["content"]![2]!["input"]!["command"]!);
        Assert.Equal((5, 6), ((int)answer["usage"]!["input_tokens"]!, (int)answer["usage"]!["output_tokens"]!));
        Assert.Equal(new Usage(5, 6, 0, 0), server.Requests[^1].Usage);
    }

    [Fact]
    public async Task The_turn_is_the_number_of_answers_since_the_last_script()
    {
        var request = Ask("```script\ntext never\n```");
        Add(request, "assistant", "never");
        Add(request, "user", "```script\ntext first\n---\ntext {{turn}}: {{last}}\n```");
        Assert.Equal("first", await TextAsync(request));
        Add(request, "assistant", "first");
        request["messages"]!.AsArray().Add(JsonNode.Parse(
            """
            {"role":"user","content":[
              {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"```script\ntext no\n```"}]},
              {"type":"text","text":"<system-reminder>```script\ntext no\n```</system-reminder>"}]}
            """));
        Assert.Equal("2: ```script\ntext no\n```", await TextAsync(request));
        Add(request, "assistant", "second");
        Add(request, "user", "and now?");
        Assert.Equal("The script has ended.", await TextAsync(request));
        Assert.Equal([1, 2, 3], server.Requests.Select(r => r.Turn!.Value));
    }

    [Fact]
    public async Task Requests_beside_the_script_get_a_harmless_text()
    {
        Assert.StartsWith("I am the scripted model.", await TextAsync(Ask("hello")), StringComparison.Ordinal);
        var title = Ask("Write a title.");
        title.Remove("tools");
        Assert.Equal("Scripted run", await TextAsync(title));
        var compact = Ask("```script\nbash rm x\n```");
        Add(compact, "assistant", "ok");
        Add(compact, "user", "Your task is to create a detailed summary of it.");
        Assert.StartsWith("<summary>", await TextAsync(compact), StringComparison.Ordinal);
        Assert.All(server.Requests, request => Assert.Null(request.Turn));
    }

    [Fact]
    public async Task A_fault_can_happen_a_number_of_times()
    {
        var request = Ask("```script\nerror 529 times=2 retry-after=7 Too much\ntext fine\n```");

        for (var i = 0; i < 2; i++)
        {
            using var refused = await PostAsync(request);
            Assert.Equal(529, (int)refused.StatusCode);
            Assert.Equal("7", refused.Headers.GetValues("retry-after").Single());
            Assert.Contains("\"message\":\"Too much\"", await BodyAsync(refused), StringComparison.Ordinal);
        }

        Assert.Equal("fine", await TextAsync(request));
        Assert.Equal([1, 2, 3], server.Requests.Select(r => r.Attempt!.Value));
        Assert.Equal(["error", "error", "sent"], server.Requests.Select(r => r.End), StringComparer.Ordinal);
    }

    [Fact]
    public async Task An_error_in_mid_stream_is_an_event_and_other_bodies_are_sent_as_they_are()
    {
        var events = await StreamAsync(Ask("```script\ntext a\nerror 529\n```"));
        Assert.Equal("overloaded_error", (string)events[^1]["error"]!["type"]!);

        using var page = await PostAsync(Ask("```script\nbody 200 text/html <h1>hello</h1>\n```"));
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Equal("<h1>hello</h1>", await page.Content.ReadAsStringAsync(Cancellation));
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("start\ntext half\ncut")]
    public async Task A_cut_ends_the_connection(string script)
    {
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => StreamAsync(Ask($"```script\n{script}\n```")));
        await Eventually(() => server.Requests is [{ End: "cut" }]);
    }

    [Fact]
    public async Task A_hang_lasts_until_the_client_goes()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var asking = HangAsync(patience.Token);
        await Eventually(() => server.IsPlaying);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Eventually(() => server.Requests is [{ End: "gone", Status: 0 }]);
    }

    private async Task HangAsync(CancellationToken patience)
    {
        using var content = Content(Ask("```script\nhang\n```"));
        using var answer = await client.PostAsync(new Uri(server.Uri!, "/v1/messages"), content, patience);
    }

    [Fact]
    public async Task A_flood_is_as_long_and_as_wide_as_asked()
    {
        var text = await TextAsync(Ask("```script\nflood 100K 79\n```"));
        Assert.Equal(100 * 1024, text.Length);
        Assert.All(text.Split('\n')[..^1], line => Assert.Equal(79, line.Length));
        Assert.DoesNotContain("\n", await TextAsync(Ask("```script\nflood 40000\n```")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_listens_on_a_unix_socket_too_and_logs_each_request()
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(SocketFile), cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var unix = new HttpClient(handler) { Timeout = Bound };
        unix.DefaultRequestHeaders.Add("x-api-key", "made-up-key");
        using var content = Content(Ask("```script\ntext ok\n```"));
        using var response = await unix.PostAsync(new Uri("http://model/v1/messages?beta=true"), content, Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await Eventually(() => File.Exists(LogFile) && server.Requests.Count == 1);

        var logged = JsonNode.Parse(await File.ReadAllTextAsync(LogFile, Cancellation))!;
        Assert.Equal("made-up-key", (string)logged["headers"]!["x-api-key"]!);
        Assert.Equal("/v1/messages?beta=true", (string)logged["path"]!);
        Assert.Equal(100, (int)logged["usage"]!["output"]!);
        Assert.Equal(21, (int)logged["promptBytes"]!);
        var body = await File.ReadAllBytesAsync(Path.Combine(folder, "1.json"), Cancellation);
        Assert.Equal(server.Requests[0].Body.ToArray(), body);
    }

    [Fact]
    public async Task Other_pages_are_answered_as_the_api_would()
    {
        using var head = new HttpRequestMessage(HttpMethod.Head, new Uri(server.Uri!, "/api/hello"));
        using var hello = await client.SendAsync(head, Cancellation);
        Assert.Equal(HttpStatusCode.OK, hello.StatusCode);
        using var nothing = await client.GetAsync(new Uri(server.Uri!, "/v1/files"), Cancellation);
        Assert.Equal(HttpStatusCode.NotFound, nothing.StatusCode);
        using var content = Content(Ask("hello"));
        var page = new Uri(server.Uri!, "/v1/messages/count_tokens");
        using var counted = await client.PostAsync(page, content, Cancellation);
        Assert.Contains("input_tokens", await BodyAsync(counted), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"```script\nno\n```"}]}""", "line 1 of the script")]
    [InlineData("{}", "Field required")]
    [InlineData("not json", "invalid_request_error")]
    public async Task A_request_that_cannot_be_played_is_a_400_that_says_why(string body, string reason)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(server.Uri!, "/v1/messages"), content, Cancellation);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains(reason, await BodyAsync(response), StringComparison.Ordinal);
    }

    private static JsonObject Ask(string prompt)
    {
        var request = new JsonObject
        {
            ["model"] = "claude-test",
            ["stream"] = true,
            ["system"] = "# Environment\n - Primary working directory: /somewhere\n - more",
            ["tools"] = new JsonArray(new JsonObject { ["name"] = "Bash" }),
            ["messages"] = new JsonArray(),
        };
        Add(request, "user", prompt);
        return request;
    }

    private static IEnumerable<string> Types(JsonNode answer) =>
        answer["content"]!.AsArray().Select(block => (string)block!["type"]!);

    private static void Add(JsonObject request, string role, string text) =>
        request["messages"]!.AsArray().Add((JsonNode)new JsonObject { ["role"] = role, ["content"] = text });

    private static StringContent Content(JsonObject request) =>
        new(request.ToJsonString(), Encoding.UTF8, "application/json");

    private async Task<HttpResponseMessage> PostAsync(JsonObject request)
    {
        using var content = Content(request);
        return await client.PostAsync(new Uri(server.Uri!, "/v1/messages?beta=true"), content, Cancellation);
    }

    private async Task<List<JsonNode>> StreamAsync(JsonObject request)
    {
        using var response = await PostAsync(request);
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var data = text.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal));
        return [.. data.Select(line => JsonNode.Parse(line[6..])!)];
    }

    private async Task<JsonNode> WholeAsync(JsonObject request)
    {
        request["stream"] = false;
        using var response = await PostAsync(request);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
    }

    private static Task<string> BodyAsync(HttpResponseMessage response) =>
        response.Content.ReadAsStringAsync(Cancellation);

    private async Task<string> TextAsync(JsonObject request) =>
        (string)(await WholeAsync(request))["content"]![0]!["text"]!;

    private static async Task Eventually(Func<bool> condition)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Bound, "It did not come to pass in time.");
            await Task.Delay(10, Cancellation);
        }
    }
}
