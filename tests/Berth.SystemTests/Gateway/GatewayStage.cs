using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.Engine.Budgets;
using Berth.Engine.Gateway;
using Berth.Protocol;
using Berth.ScriptedModel;

namespace Berth.SystemTests.Gateway;

/// <summary>A gateway between clients on its socket and the scripted model, and what it tells its host.</summary>
internal sealed class GatewayStage : IAsyncDisposable, IGatewayObserver
{
    /// <summary>The longest that anything here may take, on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly RunDirectory directory = new(Directory.CreateTempSubdirectory("berth-gateway-").FullName);

    private int sent;

    private GatewayStage(ScriptedModelServer model) => Model = model;

    public ScriptedModelServer Model { get; }

    public ModelUsage Totals { get; private set; } = new();

    public ConcurrentDictionary<string, PendingCall> Pending { get; } = new(StringComparer.Ordinal);

    public ConcurrentQueue<RequestRefusal> Refused { get; } = new();

    public ConcurrentQueue<string> Dropped { get; } = new();

    public ConcurrentQueue<int> Statuses { get; } = new();

    public ConcurrentQueue<BudgetStop> Stops { get; } = new();

    public GatewayOptions Options => new() { Upstream = Model.Uri!, ApiKey = "sk-dummy-key", MaxRetries = 1 };

    public static async Task<GatewayStage> CreateAsync(CancellationToken cancel)
    {
        var stage = new GatewayStage(
            await ScriptedModelServer.StartAsync(new ScriptedModelOptions { KeepBodies = true }, cancel));
        Directory.CreateDirectory(stage.directory.GatewayFolder);
        return stage;
    }

    public Task<ModelGateway> ServeAsync(
        CancellationToken cancel, GatewayOptions? options = null, CallAdmission? admission = null) =>
        ModelGateway.ServeAsync(
            directory, options ?? Options, this, admission ?? CallAdmission.Free(TimeProvider.System),
            TimeProvider.System, cancel);

    /// <summary>A connection to the gateway.</summary>
    public async Task<NetworkStream> ConnectAsync(CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var path = Path.Combine(directory.GatewayFolder, RunDirectory.GatewaySocketName);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancel);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public HttpClient Client() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancel) => await ConnectAsync(cancel),
    });

    /// <summary>Sends bytes, and reads until the gateway closes.</summary>
    public async Task<string> ExchangeAsync(byte[] request, CancellationToken cancel, bool closeFirst = false)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        await using var stream = await ConnectAsync(limit.Token);
        try
        {
            await stream.WriteAsync(request, limit.Token);
            if (closeFirst)
            {
                stream.Socket.Shutdown(SocketShutdown.Send);
            }

            using var reader = new StreamReader(stream, Encoding.Latin1);
            return await reader.ReadToEndAsync(limit.Token);
        }
        catch (IOException)
        {
            // It closes on what it does not want to read.
            return string.Empty;
        }
    }

    /// <summary>The body of a call that plays a script.</summary>
    public static string Body(string script, bool stream = true, string more = "")
    {
        var prompt = JsonSerializer.Serialize($"```script\n{script}\n```");
        return $$$"""
            {"model": "claude-opus-5-5", "max_tokens": 1000, "stream": {{{(stream ? "true" : "false")}}},
             "tools": [{"name": "Bash", "input_schema": {"type": "object"}}]{{{more}}},
             "messages": [{"role": "user", "content": {{{prompt}}}}]}
            """;
    }

    /// <summary>A whole request.</summary>
    public static byte[] Request(string body, string headers = "", string target = "/v1/messages?beta=true") =>
        Request(Encoding.UTF8.GetBytes(body), headers, target);

    public static byte[] Request(byte[] body, string headers = "", string target = "/v1/messages?beta=true") =>
    [
        .. Encoding.Latin1.GetBytes(
            $"POST {target} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + $"Content-Length: {body.Length}\r\n{headers}\r\n"),
        .. body,
    ];

    /// <summary>How many calls were noted as about to be sent.</summary>
    public int Sent => sent;

    public void Begun(PendingCall call)
    {
        Pending[call.Id] = call;
        _ = Interlocked.Increment(ref sent);
    }

    public void Counted(ModelUsage totals, string? call)
    {
        Totals = totals;
        if (call is not null)
        {
            _ = Pending.TryRemove(call, out _);
        }
    }

    public void RequestRefused(RequestRefusal refusal) => Refused.Enqueue(refusal);

    public void BetaDropped(string beta) => Dropped.Enqueue(beta);

    void IGatewayObserver.Refused(int status, string message) => Statuses.Enqueue(status);

    public void BudgetSpent(BudgetStop stop) => Stops.Enqueue(stop);

    public void Unpriced(string model)
    {
        // Other tests are about that.
    }

    public async ValueTask DisposeAsync()
    {
        await Model.DisposeAsync();
        Directory.Delete(directory.Root, recursive: true);
    }
}
