using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Berth.SystemTests.Network;

/// <summary>A web server on this machine's loopback: answers each request with one word, and remembers what it was
/// sent.</summary>
internal sealed class LoopbackServer : IAsyncDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stop = new();
    private readonly Task serving;

    /// <summary>Begins.</summary>
    /// <param name="address">One of the machine's loopback addresses; null for the usual one.</param>
    internal LoopbackServer(IPAddress? address = null)
    {
        listener = new TcpListener(address ?? IPAddress.Loopback, 0);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        serving = ServeAsync();
    }

    internal int Port { get; }

    /// <summary>The heads of the requests.</summary>
    internal ConcurrentQueue<string> Requests { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            var client = await listener.AcceptTcpClientAsync(stop.Token);
            _ = AnswerAsync(client);
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using (client)
        {
            var stream = client.GetStream();
            var head = new StringBuilder();
            var buffer = new byte[4096];
            while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
            {
                var count = await stream.ReadAsync(buffer, stop.Token);
                if (count == 0)
                {
                    return;
                }

                head.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }

            Requests.Enqueue(head.ToString());
            await stream.WriteAsync(
                "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nanchored"u8.ToArray(), stop.Token);
        }
    }
}
