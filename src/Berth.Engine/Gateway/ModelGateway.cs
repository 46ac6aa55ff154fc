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

namespace Berth.Engine.Gateway;

/// <summary>What the gateway tells its host, as it happens.</summary>
internal interface IGatewayObserver
{
    /// <summary>A call is about to be sent: it is charged like this where nobody learns more.</summary>
    void Begun(PendingCall call);

    /// <summary>A call has ended; these are the totals of this gateway now.</summary>
    /// <param name="totals">The sums.</param>
    /// <param name="call">The <see cref="PendingCall.Id"/> of the call, which is in the sums from now on.</param>
    void Counted(ModelUsage totals, string? call);

    /// <summary>A request of the agent's was not forwarded.</summary>
    void RequestRefused(RequestRefusal refusal);

    /// <summary>A beta that the agent asked for is left out of its calls; said once for each.</summary>
    void BetaDropped(string beta);

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
    // The CLI has some ten subagents at most at once, with a connection each; a hang-up keeps its place until the call
    // has ended.
    private const int MaxConnections = 64;
    private const int MaxHeaders = 64;
    private const int MaxHeaderBytes = 16 * 1024;
    private const int ConnectionBufferBytes = 64 * 1024;
    private const string Hello = "/api/hello";
    private static readonly TimeSpan HeadersLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LettingGo = TimeSpan.FromSeconds(1);
    private static readonly string[] Forwarded = [Messages, "/v1/messages/count_tokens"];

    /// <summary>Where the model is asked for an answer, which costs something.</summary>
    internal const string Messages = "/v1/messages";

    private const UnixFileMode EveryUser = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly SocketFolder folder;
    private readonly CallForwarder forwarder;
    private readonly GatewayOptions options;
    private readonly KestrelServer server;
    private readonly CancellationToken letGo;

    private ModelGateway(
        SocketFolder folder, CallForwarder forwarder, GatewayOptions options, CancellationToken letGo)
    {
        (this.folder, this.forwarder, this.options, this.letGo) = (folder, forwarder, options, letGo);
        var kestrel = new KestrelServerOptions
        {
            AddServerHeader = false,
            Limits =
            {
                MaxRequestBodySize = RequestBodies.MaxBytes,
                MaxConcurrentConnections = MaxConnections,
                MaxConcurrentUpgradedConnections = 0,
                MaxRequestHeaderCount = MaxHeaders,
                MaxRequestHeadersTotalSize = MaxHeaderBytes,
                MaxRequestBufferSize = ConnectionBufferBytes,
                MaxResponseBufferSize = ConnectionBufferBytes,
                RequestHeadersTimeout = HeadersLimit,
            },
        };
        kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http1);
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
    /// <param name="cancel">Gives up starting, and later lets go of the run.</param>
    public static async Task<ModelGateway> ServeAsync(
        RunDirectory directory, GatewayOptions options, IGatewayObserver observer, CallAdmission admission,
        TimeProvider time, CancellationToken cancel)
    {
        var calls = new CallForwarder(options, observer, admission, time);
        var gateway = new ModelGateway(new SocketFolder(directory.GatewayFolder), calls, options, cancel);
        try
        {
            var application = new Application(
                calls, observer, new RequestBodies(time), options.Policy);
            await gateway.server.StartAsync(application, cancel);
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops serving. Calls in flight are waited for, then cut: all of them are counted when this
    /// returns.</summary>
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

        // A host that lets go of its run is followed by one to which the CLI repeats the call.
        await forwarder.EndAsync(letGo.IsCancellationRequested ? LettingGo : options.Ending);
        server.Dispose();
        forwarder.Dispose();
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

    /// <summary>Refuses a request of the agent's, and says so.</summary>
    internal static async Task RefuseAsync(HttpContext context, IGatewayObserver observer, RequestRefusal refusal)
    {
        observer.RequestRefused(refusal);

        // What is left of the body is not read.
        context.Response.Headers.Connection = "close";
        await RefuseAsync(
            context, refusal.Status, refusal.Type, $"{refusal.Message} [berth: {refusal.Code}]");
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
    private sealed class Application(
        CallForwarder forwarder, IGatewayObserver observer, RequestBodies bodies, GatewayPolicy policy)
        : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public async Task ProcessRequestAsync(HttpContext context)
        {
            try
            {
                await AnswerAsync(context);
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                // Nobody waits for the answer, and nothing was sent that is not counted.
            }
        }

        public void DisposeContext(HttpContext context, Exception? exception)
        {
            // It holds nothing that outlives the request.
        }

        private async Task AnswerAsync(HttpContext context)
        {
            var request = context.Request;
            var path = request.Path.Value ?? string.Empty;
            if (string.Equals(path, Hello, StringComparison.Ordinal))
            {
                return;
            }

            if (!HttpMethods.IsPost(request.Method) || !Forwarded.Contains(path, StringComparer.Ordinal))
            {
                await RefuseAsync(context, observer, new RequestRefusal(
                    StatusCodes.Status403Forbidden,
                    RequestRefusal.Path,
                    $"Berth's gateway does not forward {RequestJudge.Shown($"{request.Method} {path}")}."));
                return;
            }

            var (body, refusal) = await bodies.ReadAsync(request, context.RequestAborted);
            using (body)
            {
                var judged = body is null ? null : RequestJudge.Judge(body.Bytes.Span, policy);
                if ((refusal ?? judged?.Refusal) is { } why)
                {
                    await RefuseAsync(context, observer, why);
                    return;
                }

                await forwarder.ForwardAsync(context, body!, judged!);
            }
        }
    }
}
