using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Berth.Engine.Budgets;
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

    /// <summary>A call was not forwarded: a budget is spent.</summary>
    void BudgetSpent(BudgetStop stop);

    /// <summary>A model answered whose prices are not known; said once. The name is what the upstream said.</summary>
    void Unpriced(string model);
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
    private static readonly string[] Forwarded = [Messages, "/v1/messages/count_tokens"];

    /// <summary>Where the model is asked for an answer, which costs something.</summary>
    internal const string Messages = "/v1/messages";

    private const UnixFileMode EveryUser = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly SocketFolder folder;
    private readonly UpstreamClient upstream;
    private readonly KestrelServer server;

    private ModelGateway(SocketFolder folder, UpstreamClient upstream)
    {
        (this.folder, this.upstream) = (folder, upstream);
        var kestrel = new KestrelServerOptions
        {
            AddServerHeader = false,
            Limits = { MaxRequestBodySize = MaxRequestBytes, MaxConcurrentConnections = MaxConnections },
        };
        kestrel.ListenUnixSocket(folder.PathOf(RunDirectory.GatewaySocketName));
        var transport = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions { CreateBoundListenSocket = Bind }),
            NullLoggerFactory.Instance);
        server = new KestrelServer(Options.Create(kestrel), transport, NullLoggerFactory.Instance);
    }

    /// <summary>Begins to serve a run.</summary>
    /// <param name="directory">The run's directory; its gateway folder is there.</param>
    /// <param name="options">The upstream.</param>
    /// <param name="observer">Who is told what passes.</param>
    /// <param name="admission">What may be spent.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up starting.</param>
    public static async Task<ModelGateway> ServeAsync(
        RunDirectory directory, GatewayOptions options, IGatewayObserver observer, CallAdmission admission,
        TimeProvider time, CancellationToken cancel)
    {
        var gateway = new ModelGateway(
            new SocketFolder(directory.GatewayFolder), new UpstreamClient(options, observer, admission, time));
        try
        {
            await gateway.server.StartAsync(new Application(gateway.upstream), cancel);
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops serving: calls in flight are cut.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await server.StopAsync(new CancellationToken(canceled: true));
        }
        catch (OperationCanceledException)
        {
            // Stopping at once is what was asked for; connections that were open are closed by the disposal.
        }

        server.Dispose();
        upstream.Dispose();
        folder.Dispose();
    }

    private static Socket Bind(EndPoint endPoint)
    {
        var path = endPoint.ToString()!;

        // The socket of a host that died is still there as a file, and would make the bind fail.
        File.Delete(path);
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);

        // The agent may be another user than ours, and connecting takes the right to write. The folder of the socket
        // keeps all others away.
        File.SetUnixFileMode(path, EveryUser);
        return socket;
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
