using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Answers requests on the control socket: a thread for each client, so that one that never reads holds up
/// nobody.</summary>
internal sealed class ControlServer : IDisposable
{
    // Fifty cancels at once must each get an answer.
    private const int MostClients = 128;
    private const int FirstBuffer = 4096;
    private static readonly TimeSpan SendBound = TimeSpan.FromSeconds(2);

    private readonly Func<ControlRequest, ControlReply> answer;
    private readonly SocketFolder folder;
    private readonly string path;
    private readonly Socket listener;
    private int clients;

    internal ControlServer(RunDirectory directory, Func<ControlRequest, ControlReply> answer)
    {
        this.answer = answer;
        folder = new SocketFolder(directory.Root);
        path = folder.PathOf(RunDirectory.ControlSocketName);

        // The journal's lock says that no other supervisor of this run lives, so a socket that is there is a dead
        // one's.
        File.Delete(path);
        listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(folder.EndPoint(RunDirectory.ControlSocketName));
        listener.Listen(MostClients);
        Run(Accept, "control");
    }

    /// <summary>Takes no more clients and removes the socket. Open connections end with the process.</summary>
    public void Dispose()
    {
        File.Delete(path);
        listener.Dispose();
        folder.Dispose();
    }

    private static void Run(ThreadStart work, string name) =>
        new Thread(work, maxStackSize: 512 * 1024) { IsBackground = true, Name = name }.Start();

    private void Accept()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = listener.Accept();
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                return;
            }

            client.SendTimeout = (int)SendBound.TotalMilliseconds;
            if (Interlocked.Increment(ref clients) > MostClients)
            {
                Refuse(client);
                continue;
            }

            try
            {
                Run(() => Serve(client), "control client");
            }
            catch (OutOfMemoryException)
            {
                // So .NET says that there is no thread to be had: in a container the run's limit of processes is ours
                // too. Then this client is served here, and the others wait for it a moment.
                client.ReceiveTimeout = (int)SendBound.TotalMilliseconds;
                Serve(client);
            }
        }
    }

    private void Refuse(Socket client)
    {
        Interlocked.Decrement(ref clients);
        using (client)
        {
            _ = TrySend(client, new ControlReply(false, $"{MostClients} clients are connected already."));
        }
    }

    private void Serve(Socket client)
    {
        using (client)
        {
            var buffer = new byte[FirstBuffer];
            var length = 0;
            while (Receive(client, buffer, length) is > 0 and var count)
            {
                var end = buffer.AsSpan(length, count).IndexOf((byte)'\n');
                length += count;
                if (end < 0 && length > ControlRequest.MaxBytes)
                {
                    _ = TrySend(client, new ControlReply(false,
                        $"The request is longer than {ControlRequest.MaxBytes} bytes."));
                    break;
                }

                if (!AnswerLines(client, buffer, ref length))
                {
                    break;
                }

                if (length == buffer.Length)
                {
                    Array.Resize(ref buffer, 2 * length);
                }
            }
        }

        Interlocked.Decrement(ref clients);
    }

    private bool AnswerLines(Socket client, byte[] buffer, ref int length)
    {
        for (var end = Newline(buffer, length); end >= 0; end = Newline(buffer, length))
        {
            if (!TrySend(client, Answer(buffer.AsSpan(0, end))))
            {
                return false;
            }

            buffer.AsSpan(end + 1, length - end - 1).CopyTo(buffer);
            length -= end + 1;
        }

        return true;

        static int Newline(byte[] bytes, int count) => bytes.AsSpan(0, count).IndexOf((byte)'\n');
    }

    private ControlReply Answer(ReadOnlySpan<byte> line)
    {
        ControlRequest? request = null;
        try
        {
            request = JsonSerializer.Deserialize(line, ProtocolJson.Default.ControlRequest);
            return request is null ? new ControlReply(false, "The request is null.") : answer(request);
        }
        catch (ObjectDisposedException)
        {
            // Whoever asked for the end has it.
            return request?.Verb == ControlVerb.Cancel
                ? new ControlReply(true)
                : new ControlReply(false, "The run has ended.");
        }
        catch (JsonException malformed)
        {
            return new ControlReply(false, $"The request is not a control request: {malformed.Message}");
        }
    }

    private static int Receive(Socket client, byte[] buffer, int at)
    {
        try
        {
            return client.Receive(buffer, at, buffer.Length - at, SocketFlags.None);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private static bool TrySend(Socket client, ControlReply reply)
    {
        try
        {
            var bytes = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(reply, ProtocolJson.Default.ControlReply)
                + "\n");
            for (var sent = 0; sent < bytes.Length;)
            {
                sent += client.Send(bytes, sent, bytes.Length - sent, SocketFlags.None);
            }

            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
