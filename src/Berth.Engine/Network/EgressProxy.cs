using System.Net;
using System.Net.Sockets;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Network;

/// <summary>What the proxy tells its host, as it happens.</summary>
internal interface IProxyObserver
{
    /// <summary>A connection has ended, or could not be made.</summary>
    void Passed(ProxyConnection connection);

    /// <summary>A request was refused.</summary>
    void Refused(ProxyRefusal refusal);
}

/// <summary>A connection that was allowed.</summary>
/// <param name="Host">The host.</param>
/// <param name="Port">The port.</param>
/// <param name="BytesUp">What the server was sent.</param>
/// <param name="BytesDown">What the server has sent.</param>
/// <param name="Took">How long it was open.</param>
/// <param name="Failure">Why there was none, or null.</param>
internal sealed record ProxyConnection(
    string Host, int Port, long BytesUp, long BytesDown, TimeSpan Took, string? Failure = null);

/// <summary>A request that was refused.</summary>
/// <param name="Host">The host, or null where the request names none.</param>
/// <param name="Port">The port.</param>
/// <param name="Reason"><c>not_allowed</c>, <c>private_address</c>, <c>bad_request</c> or <c>too_many</c>.</param>
/// <param name="Message">The same for people.</param>
internal sealed record ProxyRefusal(string? Host, int? Port, string Reason, string Message);

/// <summary>What a proxy lets pass, and its bounds.</summary>
internal sealed record ProxyOptions
{
    /// <summary>The hosts.</summary>
    public required IReadOnlyList<HostPattern> Hosts { get; init; }

    /// <summary>Inner addresses that the operator has named.</summary>
    public IReadOnlyList<IPNetwork> Permitted { get; init; } = [];

    /// <summary>The most connections at once. Default 64: a package manager opens some sixteen.</summary>
    public int MaxConnections { get; init; } = 64;

    /// <summary>How long a client may take to say what it wants. Default 10 seconds.</summary>
    public TimeSpan HeadLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long finding and reaching a server may take. Default 15 seconds.</summary>
    public TimeSpan ConnectLimit { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long a connection may be silent. Default 5 minutes.</summary>
    public TimeSpan IdleLimit { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long it may be silent once one side has said its last. Default 30 seconds.</summary>
    public TimeSpan HalfClosedLimit { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>The network as a run with the policy <c>allowlist</c> sees it: a Unix socket that speaks to an HTTP
/// proxy.</summary>
/// <remarks>
/// The agent is hostile code, so every size, number and wait has a bound. The name is looked up here, its addresses are
/// judged, and one that was judged is connected to: what a name means a moment later does not matter. The socket
/// belongs to the host of the run; when a host dies, its connections are cut and the next host serves a new socket.
/// </remarks>
internal sealed class EgressProxy : IAsyncDisposable
{
    private const int Backlog = 128;
    private static readonly TimeSpan FullPause = TimeSpan.FromMilliseconds(50);

    private const UnixFileMode EveryUser = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly SocketFolder folder;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource stop = new();
    private readonly ProxyOptions options;
    private readonly IProxyObserver observer;
    private readonly TimeProvider time;
    private readonly AddressGuard guard;
    private readonly Task accepting;
    private int open;

    /// <summary>Serves a run; its gateway folder is there.</summary>
    public EgressProxy(RunDirectory directory, ProxyOptions options, IProxyObserver observer, TimeProvider time)
    {
        (this.options, this.observer, this.time) = (options, observer, time);
        guard = new AddressGuard(options.Permitted);
        folder = new SocketFolder(directory.GatewayFolder);

        // The socket of a host that died is still there as a file, and would make the bind fail.
        var path = folder.PathOf(RunDirectory.ProxySocketName);
        File.Delete(path);
        listener.Bind(folder.EndPoint(RunDirectory.ProxySocketName));
        listener.Listen(Backlog);

        // The folder of the socket keeps away whoever is not the agent.
        File.SetUnixFileMode(path, EveryUser);
        accepting = AcceptAsync();
    }

    /// <summary>Stops serving: open connections are cut, and told.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await accepting;
        listener.Dispose();
        folder.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new HashSet<Task>();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                var client = await listener.AcceptAsync(stop.Token);
                serving.RemoveWhere(task => task.IsCompleted);

                // Those that are refused need a place of their own, or a flood would have no bound.
                serving.Add(ServeAsync(client, serving.Count < 2 * options.MaxConnections));
            }
            catch (OperationCanceledException)
            {
                // The end.
            }
            catch (SocketException)
            {
                // Too many open files: whoever waits is there again at once, and a file is not.
                await Task.Delay(FullPause, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await Task.WhenAll(serving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ServeAsync(Socket accepted, bool isHeard)
    {
        using var client = new ProxyClient(accepted, options, time);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        try
        {
            if (Interlocked.Increment(ref open) > options.MaxConnections)
            {
                if (!isHeard)
                {
                    return;
                }

                await RefuseAsync(
                    client,
                    503,
                    new(null, null, "too_many", $"The run has {options.MaxConnections} connections open."));
            }
            else if (await client.ReadAsync(stop.Token) is not var (request, why))
            {
                return;
            }
            else if (request is null)
            {
                await RefuseAsync(client, 400, new(null, null, "bad_request", $"The request is refused: {why}."));
            }
            else
            {
                await ForwardAsync(client, request);
            }
        }
        catch (Exception cut) when (cut is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The client has gone, or says nothing, or the host ends.
        }
        finally
        {
            Interlocked.Decrement(ref open);
        }
    }

    private async Task ForwardAsync(ProxyClient client, ProxyRequest request)
    {
        var (host, port) = (request.Host, request.Port);
        if (!options.Hosts.Any(pattern => pattern.Matches(host, port)))
        {
            await RefuseAsync(client, 403, new(host, port, "not_allowed",
                $"This run may not reach {host}:{port}: it is not among its allowed hosts ("
                + $"{string.Join(", ", options.Hosts)}). Start it with --allow-host {host}:{port}."));
            return;
        }

        var began = time.GetTimestamp();
        using var server = new ProxyServer(guard, options, time);
        var failure = await server.ConnectAsync(request, stop.Token);
        if (server.Refused is { } address)
        {
            await RefuseAsync(client, 403, new(host, port, "private_address",
                $"{host} is {address}, an address inside a machine or a network, which only the operator can permit."));
            return;
        }

        try
        {
            if (failure is null)
            {
                await client.ExchangeAsync(request, server.Socket, stop.Token);
            }
            else
            {
                await client.AnswerAsync(502, $"{host}:{port} cannot be reached: {failure}.", stop.Token);
            }
        }
        finally
        {
            observer.Passed(new(host, port, client.BytesUp, client.BytesDown, time.GetElapsedTime(began), failure));
        }
    }

    private async Task RefuseAsync(ProxyClient client, int status, ProxyRefusal refusal)
    {
        observer.Refused(refusal);
        await client.AnswerAsync(status, refusal.Message, stop.Token, refusal.Reason);
    }
}
