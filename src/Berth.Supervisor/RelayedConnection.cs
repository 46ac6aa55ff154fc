using System.Net.Sockets;

namespace Berth.Supervisor;

/// <summary>One connection of the agent's to the proxy, for a thread that may never wait.</summary>
internal sealed class RelayedConnection : IDisposable
{
    private readonly Socket client;
    private readonly UnixDomainSocketEndPoint place;
    private readonly Func<bool> mayWait;
    private readonly OneWay up = new();
    private readonly OneWay down = new();
    private Socket? proxy;

    /// <summary>Begins one.</summary>
    /// <param name="client">The agent's end.</param>
    /// <param name="place">Where the proxy is.</param>
    /// <param name="mayWait">Whether it may wait for a host that serves the proxy.</param>
    internal RelayedConnection(Socket client, UnixDomainSocketEndPoint place, Func<bool> mayWait)
    {
        (this.client, this.place, this.mayWait) = (client, place, mayWait);
        client.Blocking = false;
        client.NoDelay = true;
    }

    /// <summary>Whether there is nothing more to pass on.</summary>
    internal bool IsOver { get; private set; }

    public void Dispose()
    {
        client.Dispose();
        proxy?.Dispose();
    }

    /// <summary>Names the ends that it waits for.</summary>
    internal void Ask(List<Socket> readable, List<Socket> writable)
    {
        if (proxy is not null)
        {
            up.Ask(client, proxy, readable, writable);
            down.Ask(proxy, client, readable, writable);
        }
    }

    /// <summary>Does what can be done without waiting.</summary>
    internal void Act(List<Socket> readable, List<Socket> writable)
    {
        try
        {
            if (proxy is null)
            {
                Connect();
                return;
            }

            up.Act(client, proxy, readable, writable);
            down.Act(proxy, client, readable, writable);
            IsOver = up.IsOver && down.IsOver;
        }
        catch (SocketException)
        {
            IsOver = true;
        }
    }

    private void Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            // A Unix socket is connected at once or not at all.
            socket.Connect(place);
            proxy = socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            IsOver = !mayWait();
        }
    }

    /// <summary>One direction: what was read and could not be written yet.</summary>
    private sealed class OneWay
    {
        private readonly byte[] buffer = new byte[16 * 1024];
        private int begin;
        private int end;
        private bool hasEnded;

        internal bool IsOver { get; private set; }

        internal void Ask(Socket from, Socket to, List<Socket> readable, List<Socket> writable)
        {
            if (begin < end)
            {
                writable.Add(to);
            }
            else if (!hasEnded)
            {
                readable.Add(from);
            }
        }

        internal void Act(Socket from, Socket to, List<Socket> readable, List<Socket> writable)
        {
            if (begin == end && !hasEnded && readable.Contains(from))
            {
                (begin, end) = (0, Count(from.Receive(buffer, SocketFlags.None, out var error), error));
                hasEnded = end == 0 && error == SocketError.Success;
                end = Math.Max(end, 0);
            }
            else if (begin < end && !writable.Contains(to))
            {
                return;
            }

            if (begin < end)
            {
                begin += Math.Max(
                    Count(to.Send(buffer.AsSpan(begin, end - begin), SocketFlags.None, out var error), error), 0);
            }

            if (begin == end && hasEnded && !IsOver)
            {
                IsOver = true;
                to.Shutdown(SocketShutdown.Send);
            }
        }

        private static int Count(int count, SocketError error) => error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock or SocketError.IOPending => -1,
            _ => throw new SocketException((int)error),
        };
    }
}
