using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Berth.ScriptedModel;

/// <summary>Where the scripted model listens and what it plays.</summary>
internal sealed record ScriptedModelOptions
{
    /// <summary>The port on 127.0.0.1: 0 for any free one, null to listen on no port.</summary>
    public int? Port { get; init; } = 0;

    /// <summary>A Unix socket to listen on as well, or null. A file that is there already is replaced.</summary>
    public string? UnixSocket { get; init; }

    /// <summary>Played where a conversation has no script of its own; null for one harmless sentence.</summary>
    public Script? Script { get; init; }

    /// <summary>A file that takes one JSON line for each request, or null.</summary>
    public string? LogFile { get; init; }

    /// <summary>A folder that takes each request's body as <c>N.json</c>, or null.</summary>
    public string? BodiesFolder { get; init; }

    /// <summary>Whether <see cref="ModelRequest.Body"/> is kept in memory.</summary>
    public bool KeepBodies { get; init; }
}

/// <summary>A loopback Messages API that plays a script. It has no model, no key and no way out.</summary>
internal sealed class ScriptedModelServer : IAsyncDisposable
{
    private static readonly string[] LoggedHeaders =
    [
        "authorization", "x-api-key", "user-agent", "anthropic-beta", "anthropic-version", "x-stainless-retry-count",
        "x-claude-code-session-id", "x-claude-code-agent-id", "content-type", "host",
    ];

    private static readonly TimeSpan StopTime = TimeSpan.FromSeconds(2);

    private readonly ScriptedModelOptions options;
    private readonly ConcurrentQueue<ModelRequest> requests = new();
    private readonly ConcurrentDictionary<int, ModelRequest> underWay = new();
    private readonly ConcurrentDictionary<string, int> attempts = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock logGate = new();
    private readonly WebApplication app;
    private int count;
    private bool stopped;

    private ScriptedModelServer(ScriptedModelOptions options)
    {
        this.options = options;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            if (options.Port is { } port)
            {
                kestrel.Listen(IPAddress.Loopback, port);
            }

            if (options.UnixSocket is { } socket)
            {
                File.Delete(socket);
                kestrel.ListenUnixSocket(socket);
            }
        });
        app = builder.Build();
        app.Run(HandleAsync);
    }

    /// <summary>The address to give as <c>ANTHROPIC_BASE_URL</c>; null where it listens on no port.</summary>
    public Uri? Uri { get; private set; }

    /// <summary>Every request that has been answered, or broken off, so far.</summary>
    public IReadOnlyList<ModelRequest> Requests => [.. requests];

    /// <summary>The requests that are not answered yet.</summary>
    public IReadOnlyList<ModelRequest> UnderWay => [.. underWay.Values];

    /// <summary>Whether a turn of a script is being played at this moment.</summary>
    public bool IsPlaying => underWay.Values.Any(request => request.Turn is not null);

    /// <summary>Starts to listen.</summary>
    public static async Task<ScriptedModelServer> StartAsync(
        ScriptedModelOptions options, CancellationToken cancellation = default)
    {
        var server = new ScriptedModelServer(options);
        await server.app.StartAsync(cancellation);
        server.Uri = server.app.Urls.Where(url => url.StartsWith("http://127.", StringComparison.Ordinal))
            .Select(url => new Uri(url)).FirstOrDefault();
        return server;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (stopped)
        {
            return;
        }

        stopped = true;
        await stopping.CancelAsync();
        using var deadline = new CancellationTokenSource(StopTime);
        await app.StopAsync(deadline.Token);
        await app.DisposeAsync();
        stopping.Dispose();
        if (options.UnixSocket is { } socket)
        {
            File.Delete(socket);
        }
    }

    private async Task HandleAsync(HttpContext http)
    {
        var request = Describe(http.Request);
        var began = TimeProvider.System.GetTimestamp();
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping.Token);
        underWay[request.Number] = request;
        try
        {
            await RouteAsync(http, request, gone.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            request.End = "gone";
        }
        finally
        {
            request.Ms = (long)TimeProvider.System.GetElapsedTime(began).TotalMilliseconds;
            underWay.TryRemove(request.Number, out _);
            requests.Enqueue(request);
            Log(request);
        }
    }

    private ModelRequest Describe(HttpRequest http) => new()
    {
        Number = Interlocked.Increment(ref count),
        At = TimeProvider.System.GetUtcNow(),
        Method = http.Method,
        Path = http.Path + http.QueryString,
        Headers = LoggedHeaders.Where(http.Headers.ContainsKey)
            .ToDictionary(name => name, name => http.Headers[name].ToString(), StringComparer.Ordinal),
    };

    private async Task RouteAsync(HttpContext http, ModelRequest request, CancellationToken gone)
    {
        var path = http.Request.Path.Value ?? "/";
        if (HttpMethods.IsPost(http.Request.Method) && path is "/v1/messages" or "/v1/messages/count_tokens")
        {
            var body = await ReadBodyAsync(http.Request, request, gone);
            await AnswerAsync(http, request, body, path is "/v1/messages", gone);
        }
        else if (path is "/" or "/api/hello")
        {
            request.Status = http.Response.StatusCode = StatusCodes.Status200OK;
        }
        else
        {
            await FailAsync(http, request, StatusCodes.Status404NotFound, "not_found_error", "There is no such page.");
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadBodyAsync(
        HttpRequest http, ModelRequest request, CancellationToken gone)
    {
        using var buffer = new MemoryStream();
        await http.Body.CopyToAsync(buffer, gone);
        ReadOnlyMemory<byte> body = buffer.ToArray();
        request.BodyBytes = body.Length;
        request.Body = options.KeepBodies ? body : default;
        if (options.BodiesFolder is { } folder)
        {
            var name = request.Number.ToString(CultureInfo.InvariantCulture) + ".json";
            await File.WriteAllBytesAsync(Path.Combine(folder, name), body.ToArray(), gone);
        }

        return body;
    }

    private async Task AnswerAsync(
        HttpContext http, ModelRequest request, ReadOnlyMemory<byte> body, bool isMessage, CancellationToken gone)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (!isMessage)
            {
                // Four bytes a token is near enough for a client that only asks whether its text fits.
                await SendAsync(http, request, StatusCodes.Status200OK, $$"""{"input_tokens":{{body.Length / 4}}}""");
                return;
            }

            var conversation = Conversation.Read(document.RootElement);
            request.Model = conversation.Model;
            request.Stream = conversation.Stream;
            request.Tools = conversation.Tools;
            request.PromptBytes = conversation.PromptBytes;
            request.PromptSha256 = conversation.PromptSha256;
            await PlayAsync(http, request, conversation, gone);
        }
        catch (JsonException e)
        {
            await FailAsync(http, request, StatusCodes.Status400BadRequest, "invalid_request_error", e.Message);
        }
        catch (ScriptException e)
        {
            await FailAsync(http, request, StatusCodes.Status400BadRequest, "invalid_request_error", e.Message);
        }
    }

    private async Task PlayAsync(
        HttpContext http, ModelRequest request, Conversation conversation, CancellationToken gone)
    {
        var script = conversation.ScriptText is { } text ? ScriptParser.Parse(text) : options.Script;
        var turn = Beside(conversation, script);
        var key = script?.Key ?? "none";
        if (turn is null)
        {
            turn = script!.TurnAt(conversation.Answers);
            request.Turn = conversation.Answers + 1;
            request.Headers.TryGetValue("x-claude-code-session-id", out var session);
            var place = $"{session} {key} {conversation.Messages}";
            request.Attempt = attempts.AddOrUpdate(place, 1, (_, before) => before + 1);
        }

        var prefix = $"{key}{MessageJson.Number(conversation.Messages)}";
        await new TurnPlayer(http, conversation, turn, request).PlayAsync(prefix, gone);
    }

    /// <summary>The answer to a request that is not part of a script; null where it is.</summary>
    private static Turn? Beside(Conversation conversation, Script? script)
    {
        if (conversation.AsksForSummary)
        {
            return Say("<summary>The conversation went by the script so far.</summary>");
        }

        // A request without tools and without a script of its own asks for a title or the like.
        if (conversation.ScriptText is null && !conversation.HasTools)
        {
            return Say("Scripted run");
        }

        return script is null
            ? Say("I am the scripted model. The prompt holds no script, so this is all that I say.")
            : null;
    }

    private static Turn Say(string text) => new() { Steps = [new TextStep(text, Thinking: false)] };

    private static Task FailAsync(HttpContext http, ModelRequest request, int status, string type, string message)
    {
        request.End = "error";
        return SendAsync(http, request, status, MessageJson.Error(type, message).ToJsonString());
    }

    private static Task SendAsync(HttpContext http, ModelRequest request, int status, string json)
    {
        request.Status = http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        return http.Response.WriteAsync(json);
    }

    private void Log(ModelRequest request)
    {
        if (options.LogFile is null)
        {
            return;
        }

        lock (logGate)
        {
            var line = JsonSerializer.Serialize(request, ModelJson.Default.ModelRequest);
            File.AppendAllText(options.LogFile, line + "\n");
        }
    }
}
