using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Berth.Engine.Gateway;

/// <summary>What the gateway tells its host, as it happens.</summary>
internal interface IGatewayObserver
{
    /// <summary>A call was answered; these are the totals of this gateway now.</summary>
    void Counted(ModelUsage totals);

    /// <summary>The upstream refused for good, after the retries.</summary>
    void Refused(int status, string message);
}

/// <summary>
/// The model as one run sees it: a Unix socket that forwards Messages API calls and adds the real credential.
/// </summary>
/// <remarks>
/// The agent is hostile code: it may send anything. So there is a list of what is forwarded, every size and wait has a
/// bound, and whatever it sends as a credential is dropped. The agent has no other way out, and nothing here tells it
/// the credential. The socket belongs to the host of the run; when a host dies the next one makes a new socket of the
/// same name, and the CLI's own retries bridge the time between.
/// </remarks>
internal sealed class ModelGateway : IAsyncDisposable
{
    // The CLI itself takes prompts of up to 10 MB and sends the conversation whole; the public API takes 32 MB.
    private const long MaxRequestBytes = 64L * 1024 * 1024;
    private const int MaxConnections = 64;
    private const int Forbidden = 403;
    private const string Hello = "/api/hello";
    private static readonly TimeSpan TryBound = TimeSpan.FromSeconds(30);
    private static readonly string[] Forwarded = ["/v1/messages", "/v1/messages/count_tokens"];

    private const UnixFileMode EveryUser = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly SocketFolder folder;
    private readonly Socket listener;
    private readonly UpstreamClient upstream;
    private readonly CancellationTokenSource done = new();
    private KestrelServer? server;
    private Task trial = Task.CompletedTask;

    private ModelGateway(SocketFolder folder, Socket listener, UpstreamClient upstream) =>
        (this.folder, this.listener, this.upstream) = (folder, listener, upstream);

    /// <summary>Makes the socket of a run: from here on calls wait to be answered.</summary>
    /// <param name="directory">The run's directory; its gateway folder is there.</param>
    /// <param name="options">The upstream.</param>
    /// <param name="observer">Who is told what passes.</param>
    /// <param name="time">The clock.</param>
    public static ModelGateway Listen(
        RunDirectory directory, GatewayOptions options, IGatewayObserver observer, TimeProvider time)
    {
        var place = new SocketFolder(directory.GatewayFolder);
        var path = place.PathOf(RunDirectory.GatewaySocketName);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

        // The socket of a host that died is still there as a file, and would make the bind fail.
        File.Delete(path);
        socket.Bind(place.EndPoint(RunDirectory.GatewaySocketName));
        socket.Listen(MaxConnections);

        // The agent may be another user than ours, and connecting takes the right to write. The folder of the socket
        // keeps all others away.
        File.SetUnixFileMode(path, EveryUser);
        return new ModelGateway(place, socket, new UpstreamClient(options, observer, time));
    }

    /// <summary>Begins to answer.</summary>
    /// <param name="cancel">Gives up.</param>
    public async Task ServeAsync(CancellationToken cancel)
    {
        server = NewServer();
        await server.StartAsync(new Application(upstream), cancel);
        trial = Task.Run(() => TryAsync(done.Token), CancellationToken.None);
    }

    /// <summary>Stops serving: calls in flight are cut.</summary>
    public async ValueTask DisposeAsync()
    {
        // Nothing depends on what came of it: the agent may have taken all connections, and its calls show what works.
        await done.CancelAsync();
        await trial.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await (server?.StopAsync(new CancellationToken(canceled: true)) ?? Task.CompletedTask);
        }
        catch (OperationCanceledException)
        {
            // Stopping at once is what was asked for; connections that were open are closed by the disposal.
        }

        server?.Dispose();
        listener.Dispose();
        upstream.Dispose();
        folder.Dispose();
        done.Dispose();
    }

    // The server alone: an application around it, with its services and its settings, takes as long to start as the
    // workspace to make.
    private KestrelServer NewServer()
    {
        var kestrel = new KestrelServerOptions
        {
            AddServerHeader = false,
            Limits = { MaxRequestBodySize = MaxRequestBytes, MaxConcurrentConnections = MaxConnections },
        };
        kestrel.ListenUnixSocket(folder.PathOf(RunDirectory.GatewaySocketName));
        var transport = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions { CreateBoundListenSocket = _ => listener }),
            NullLoggerFactory.Instance);
        return new KestrelServer(Options.Create(kestrel), transport, NullLoggerFactory.Instance);
    }

    // A first call, so that what the runtime makes ready for it is ready before the agent's.
    private async Task TryAsync(CancellationToken cancel)
    {
        using var connections = new SocketsHttpHandler
        {
            ConnectCallback = async (_, giveUp) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(folder.EndPoint(RunDirectory.GatewaySocketName), giveUp);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        using var client = new HttpClient(connections) { Timeout = TryBound };
        using var answer = await client.GetAsync(new Uri($"http://localhost{Hello}"), cancel);
        _ = answer.EnsureSuccessStatusCode();
    }

    private static async Task AnswerAsync(HttpContext context, UpstreamClient client)
    {
        var request = context.Request;
        var path = request.Path.Value ?? string.Empty;
        if (string.Equals(path, Hello, StringComparison.Ordinal))
        {
            return;
        }

        if (!HttpMethods.IsPost(request.Method) || !Forwarded.Contains(path, StringComparer.Ordinal))
        {
            await RefuseAsync(
                context,
                Forbidden,
                "permission_error",
                $"Berth's gateway does not forward {request.Method} {path}.");
            return;
        }

        using var body = new MemoryStream();
        try
        {
            await request.Body.CopyToAsync(body, context.RequestAborted);
        }
        catch (BadHttpRequestException tooLarge)
        {
            await RefuseAsync(context, tooLarge.StatusCode, "request_too_large", tooLarge.Message);
            return;
        }

        await client.ForwardAsync(context, body.GetBuffer().AsMemory(0, (int)body.Length));
    }

    /// <summary>Answers in the form of the Messages API, in a way that the CLI does not try again.</summary>
    internal static async Task RefuseAsync(HttpContext context, int status, string type, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        context.Response.Headers["x-should-retry"] = "false";
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteString("type", "error");
            writer.WriteStartObject("error");
            writer.WriteString("type", type);
            writer.WriteString("message", message);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        context.Response.Headers.ContentLength = json.Length;
        json.Position = 0;
        await json.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    /// <summary>A number as it stands in messages.</summary>
    internal static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>What the server calls for each request.</summary>
    private sealed class Application(UpstreamClient upstream) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => AnswerAsync(context, upstream);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
            // It holds nothing that outlives the request.
        }
    }
}
