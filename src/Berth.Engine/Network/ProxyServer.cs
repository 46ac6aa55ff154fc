using System.Net;
using System.Net.Sockets;

namespace Berth.Engine.Network;

/// <summary>The other end of a connection: found by its name, judged by its addresses, and reached.</summary>
internal sealed class ProxyServer(AddressGuard guard, ProxyOptions options, TimeProvider time) : IDisposable
{
    // A name may have any number of them; whoever has these all down is down.
    private const int MostTried = 4;

    /// <summary>The connected socket.</summary>
    public Socket Socket { get; private set; } = null!;

    /// <summary>The address for which it was refused, where none of its addresses may be connected to.</summary>
    public IPAddress? Refused { get; private set; }

    public void Dispose() => Socket?.Dispose();

    /// <summary>Connects.</summary>
    /// <returns>Why it did not come to that; null where it did, and where it was refused.</returns>
    public async Task<string?> ConnectAsync(ProxyRequest request, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(options.ConnectLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        var why = "it has no address";
        try
        {
            var addresses = IPAddress.TryParse(request.Host, out var named)
                ? [named]
                : await Dns.GetHostAddressesAsync(request.Host, either.Token).WaitAsync(either.Token);
            Refused = addresses.Length > 0 && !addresses.Any(guard.Permits) ? addresses[0] : null;
            foreach (var address in addresses.Where(guard.Permits).Take(MostTried))
            {
                var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(new IPEndPoint(address, request.Port), either.Token);
                    Socket = socket;
                    return null;
                }
                catch (SocketException refused)
                {
                    socket.Dispose();
                    why = Text(refused);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            }

            return Refused is null ? why : null;
        }
        catch (SocketException unknown)
        {
            return Text(unknown);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return $"it did not answer within {options.ConnectLimit.TotalSeconds:0} s";
        }
    }

    private static string Text(SocketException error) => error.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData => "the name is not known",
        SocketError.ConnectionRefused => "the connection was refused",
        SocketError.TryAgain => "the name server does not answer",
        var other => other.ToString(),
    };
}
