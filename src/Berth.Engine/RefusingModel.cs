using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Berth.Engine;

/// <summary>Listens in the place of a model, hears what it is asked, and refuses it: for asking the CLI what it would
/// send.</summary>
internal sealed class RefusingModel : IAsyncDisposable
{
    // What the CLI sends for one sentence is some 50 KB.
    private const int MostBytes = 8 * 1024 * 1024;
    private const int MostHeaderBytes = 64 * 1024;
    private const int Backlog = 8;
    private const int BufferBytes = 64 * 1024;

    private static readonly byte[] Refusal = Answer(
        "403 Forbidden",
        """{"type":"error","error":{"type":"permission_error","message":"Berth only listens."}}""");

    private readonly Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource ending = new();
    private readonly Task serving;

    /// <summary>Begins to listen.</summary>
    /// <param name="path">The socket's path; it is not there yet.</param>
    public RefusingModel(string path)
    {
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen(Backlog);
        serving = ServeAsync();
    }

    /// <summary>The body of the last question, or nothing.</summary>
    public byte[] Heard { get; private set; } = [];

    /// <summary>Stops.</summary>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await serving;
        socket.Dispose();
        ending.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var caller = await socket.AcceptAsync(ending.Token);
                await AnswerAsync(caller);
            }
        }
        catch (OperationCanceledException)
        {
            // It is over.
        }
    }

    private async Task AnswerAsync(Socket caller)
    {
        try
        {
            var body = await ReadAsync(caller);
            Heard = body.Length > 0 ? body : Heard;
            await caller.SendAsync(Refusal, ending.Token);
        }
        catch (SocketException)
        {
            // It went away; what it said until then counts for nothing.
        }
    }

    /// <summary>The body of one request, by its <c>Content-Length</c>.</summary>
    private async Task<byte[]> ReadAsync(Socket caller)
    {
        using var read = new MemoryStream();
        var buffer = new byte[BufferBytes];
        var (start, length) = (-1, 0L);
        while (start < 0 || read.Length < start + length)
        {
            var count = await caller.ReceiveAsync(buffer, ending.Token);
            await read.WriteAsync(buffer.AsMemory(0, count), ending.Token);
            if (count == 0 || read.Length > MostBytes || (start < 0 && read.Length > MostHeaderBytes))
            {
                return [];
            }

            if (start < 0)
            {
                (start, length) = HeadOf(read.GetBuffer().AsSpan(0, (int)read.Length));
            }
        }

        return read.GetBuffer()[start..(int)(start + length)];
    }

    private static (int Start, long Length) HeadOf(ReadOnlySpan<byte> said)
    {
        var end = said.IndexOf("\r\n\r\n"u8);
        if (end < 0)
        {
            return (-1, 0);
        }

        const string Field = "content-length:";
        var line = Encoding.ASCII.GetString(said[..end]).Split("\r\n")
            .FirstOrDefault(line => line.StartsWith(Field, StringComparison.OrdinalIgnoreCase));
        var isNumber = long.TryParse(
            line?[Field.Length..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var length);
        return (end + 4, isNumber ? Math.Min(length, MostBytes) : 0);
    }

    private static byte[] Answer(string status, string json) => Encoding.ASCII.GetBytes(
        $"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-should-retry: false\r\nconnection: close\r\n"
        + $"content-length: {json.Length}\r\n\r\n{json}");
}
