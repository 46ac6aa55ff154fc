using System.Buffers;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Berth.Engine.Network;

/// <summary>One client of the proxy: reads what it wants, answers it, and passes bytes in both directions.</summary>
internal sealed class ProxyClient(Socket client, ProxyOptions options, TimeProvider time) : IDisposable
{
    private const int BufferBytes = 32 * 1024;
    private readonly byte[] head = ArrayPool<byte>.Shared.Rent(ProxyRequest.MaxHead);
    private int used;
    private int headBytes;

    /// <summary>What the server was sent.</summary>
    public long BytesUp { get; private set; }

    /// <summary>What the server has sent.</summary>
    public long BytesDown { get; private set; }

    public void Dispose()
    {
        client.Dispose();
        ArrayPool<byte>.Shared.Return(head);
    }

    /// <summary>Reads the head of the request.</summary>
    /// <returns>The request, or why it is none; null where the client has gone without a word.</returns>
    public async Task<(ProxyRequest? Request, string Why)?> ReadAsync(CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(options.HeadLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            while (true)
            {
                var count = await client.ReceiveAsync(head.AsMemory(used, ProxyRequest.MaxHead - used), either.Token);
                used += count;
                var end = head.AsSpan(0, used).IndexOf("\r\n\r\n"u8);
                if (end >= 0)
                {
                    headBytes = end + 4;
                    var request = ProxyRequest.Parse(head.AsSpan(0, headBytes), out var why);
                    return (request, why);
                }

                if (used == ProxyRequest.MaxHead)
                {
                    return (null, $"its head is longer than {ProxyRequest.MaxHead} bytes");
                }

                if (count == 0)
                {
                    return used == 0 ? null : (null, "it ends within its head");
                }
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, $"its head did not come within {options.HeadLimit.TotalSeconds:0} s");
        }
    }

    /// <summary>Answers with a sentence, and says nothing more.</summary>
    public async Task AnswerAsync(int status, string message, CancellationToken cancel, string? reason = null)
    {
        var body = Encoding.UTF8.GetBytes($"Berth: {message}\n");
        var name = status switch { 400 => "Bad Request", 403 => "Forbidden", 502 => "Bad Gateway", _ => "Busy" };
        var answer = string.Create(
            CultureInfo.InvariantCulture,
            $"HTTP/1.1 {status} {name}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {body.Length}\r\n"
            + $"{(reason is null ? "" : $"X-Berth-Refused: {reason}\r\n")}Connection: close\r\n\r\n");
        using var limit = new CancellationTokenSource(options.HeadLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        await SendAsync(client, (byte[])[.. Encoding.ASCII.GetBytes(answer), .. body], either.Token);
        client.Shutdown(SocketShutdown.Send);

        // A close over unread bytes is a reset, which takes the answer with it.
        while (await client.ReceiveAsync(head, either.Token) > 0)
        {
        }
    }

    /// <summary>Passes on what both sides say until both have said their last.</summary>
    public async Task ExchangeAsync(ProxyRequest request, Socket server, CancellationToken cancel)
    {
        using var idle = new CancellationTokenSource(options.IdleLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, cancel);
        if (request.IsTunnel)
        {
            await SendAsync(client, "HTTP/1.1 200 Connection established\r\n\r\n"u8.ToArray(), either.Token);
        }

        byte[] opening = [.. request.Opening, .. head.AsSpan(headBytes, used - headBytes)];
        await SendAsync(server, opening, either.Token);
        BytesUp = opening.Length;
        var limit = new IdleLimit(idle, options);
        await Task.WhenAll(
            PassAsync(client, server, count => BytesUp += count, limit, either.Token),
            PassAsync(server, client, count => BytesDown += count, limit, either.Token));
    }

    private static async Task PassAsync(
        Socket from, Socket to, Action<int> counted, IdleLimit limit, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (await from.ReceiveAsync(buffer, cancel) is > 0 and var count)
            {
                limit.Heard();
                await SendAsync(to, buffer.AsMemory(0, count), cancel);
                counted(count);
            }

            to.Shutdown(SocketShutdown.Send);
            limit.HalfClosed();
        }
        catch
        {
            // What one direction met ends the other one too.
            limit.Cut();
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await to.SendAsync(bytes, cancel)..];
        }
    }

    private sealed class IdleLimit(CancellationTokenSource idle, ProxyOptions options)
    {
        private volatile bool isHalfClosed;

        internal void Heard() => idle.CancelAfter(isHalfClosed ? options.HalfClosedLimit : options.IdleLimit);

        internal void HalfClosed()
        {
            isHalfClosed = true;
            Heard();
        }

        internal void Cut() => idle.Cancel();
    }
}
