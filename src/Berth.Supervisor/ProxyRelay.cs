using System.Net.Sockets;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Leads a loopback port of the agent's network to the egress proxy's Unix socket.</summary>
/// <remarks>
/// It decides nothing: what may pass is the proxy's matter, in the host of the run. All of it is one thread, which is
/// there before the agent: an agent that has used up its processes leaves no room for another. While no host serves the
/// proxy, connections wait for the next one.
/// </remarks>
internal sealed class ProxyRelay : IDisposable
{
    // What waits beyond these waits in the listener.
    private const int MostConnections = 64;

    private const int SelectMicroseconds = 100_000;
    private static readonly TimeSpan HostBound = TimeSpan.FromSeconds(30);

    private readonly ProxyStep step;
    private readonly TimeProvider time;
    private readonly string handover;
    private readonly UnixDomainSocketEndPoint proxy;
    private readonly Socket listener;
    private readonly List<RelayedConnection> connections = [];
    private readonly List<Socket> readable = [];
    private readonly List<Socket> writable = [];
    private volatile bool stopped;

    /// <summary>Begins.</summary>
    /// <exception cref="FailureException"><c>proxy_relay_failed</c>.</exception>
    internal ProxyRelay(RunDirectory directory, ProxyStep step, TimeProvider time)
    {
        (this.step, this.time) = (step, time);

        // A run directory's path may be longer than a socket's.
        var folder = HeldFolder.Open(directory.GatewayFolder);
        handover = $"{folder}/{RunDirectory.HandoverSocketName}";
        proxy = new UnixDomainSocketEndPoint($"{folder}/{RunDirectory.ProxySocketName}");
        try
        {
            listener = step.IsHandedOver ? ListenForHandover() : ListenThenBecome.Listen(step.Port);
        }
        catch (SocketException wrong)
        {
            throw new FailureException(
                "proxy_relay_failed",
                $"The way to the allowed hosts, port {step.Port} inside, could not be made: {wrong.Message}",
                "Start the run again; `berth doctor` says what the mode needs.",
                Fault.Operator,
                wrong);
        }

        new Thread(Relay, maxStackSize: 512 * 1024) { IsBackground = true, Name = "proxy relay" }.Start();
    }

    /// <summary>Takes no more connections. Open ones end with the process.</summary>
    public void Dispose()
    {
        stopped = true;
        File.Delete(handover);
        listener.Dispose();
    }

    private Socket ListenForHandover()
    {
        File.Delete(handover);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(handover));
        socket.Listen(1);
        return socket;
    }

    private void Relay()
    {
        try
        {
            using var taken = step.IsHandedOver ? TakeListener() : listener;
            if (taken is null)
            {
                return;
            }

            taken.Blocking = false;
            while (!stopped)
            {
                Turn(taken);
            }
        }
        catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
        {
            // The run has ended, or the agent has no more than it had: then its connections are refused.
        }
    }

    // The one that is started first is ours; its socket is gone before it becomes the agent.
    private Socket? TakeListener()
    {
        using var inside = listener.Accept();
        var taken = DescriptorPassing.Receive(inside);
        File.Delete(handover);
        _ = inside.Send(new byte[1]);
        return taken;
    }

    private void Turn(Socket inside)
    {
        readable.Clear();
        writable.Clear();
        if (connections.Count < MostConnections)
        {
            readable.Add(inside);
        }

        foreach (var connection in connections)
        {
            connection.Ask(readable, writable);
        }

        if (readable.Count + writable.Count == 0)
        {
            // All of them wait for a host.
            Thread.Sleep(SelectMicroseconds / 1000);
        }
        else
        {
            Socket.Select(readable, writable, null, SelectMicroseconds);
        }

        if (readable.Remove(inside))
        {
            Accept(inside);
        }

        foreach (var connection in connections)
        {
            connection.Act(readable, writable);
        }

        for (var at = connections.Count - 1; at >= 0; at--)
        {
            if (connections[at].IsOver)
            {
                connections[at].Dispose();
                connections.RemoveAt(at);
            }
        }
    }

    private void Accept(Socket inside)
    {
        try
        {
            var began = time.GetTimestamp();
            connections.Add(new RelayedConnection(
                inside.Accept(), proxy, () => time.GetElapsedTime(began) < HostBound));
        }
        catch (SocketException)
        {
            // It has gone again, or there are too many open files: then it is still there at the next look.
            Thread.Sleep(SelectMicroseconds / 1000);
        }
    }
}
