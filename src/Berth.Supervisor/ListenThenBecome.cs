using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>What is started inside a sandbox in the agent's place: it listens on the sandbox's own loopback, hands the
/// listener to the supervisor outside, and becomes the agent.</summary>
/// <remarks>
/// Only a process of a network namespace can make a socket in it, and anybody who holds the socket can use it. So
/// nothing of this stays: the agent has this process's number, streams, environment and place in the tree.
/// </remarks>
internal static class ListenThenBecome
{
    /// <summary>The first argument that asks for it.</summary>
    internal const string Word = "listen";

    /// <summary>How this says that the agent cannot be run; <see cref="StartFailures"/> reads it.</summary>
    internal const string CannotRun = "berth-supervisor: execv ";

    private const int BadUsage = 64;
    private const int NotStarted = 1;
    private const int Backlog = 128;
    private const int AnswerBound = 10_000;

    /// <summary>Does it. <c>listen PORT SOCKET [VARIABLE...] -- ARGV...</c>: the variables are for this program and not
    /// for the agent.</summary>
    internal static int Run(string[] words)
    {
        var end = Array.IndexOf(words, "--");
        if (end < 3 || end == words.Length - 1 || !int.TryParse(
            words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            ErrorLog.Say("berth-supervisor: listen PORT SOCKET [VARIABLE...] -- PROGRAM [ARGUMENT...]");
            return BadUsage;
        }

        try
        {
            HandOver(port, words[2]);
        }
        catch (SocketException wrong)
        {
            ErrorLog.Say($"berth-supervisor: the way to the proxy could not be made: {wrong.Message}");
            return NotStarted;
        }

        var argv = words[(end + 1)..];
        var error = OwnProcess.Become(argv, words[3..end]);
        ErrorLog.Say($"{CannotRun}{argv[0]}: {Marshal.GetPInvokeErrorMessage(error)}");
        return NotStarted;
    }

    private static void HandOver(int port, string socket)
    {
        using var listener = Listen(port);
        using var supervisor = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        {
            ReceiveTimeout = AnswerBound,
        };
        supervisor.Connect(new UnixDomainSocketEndPoint(socket));
        DescriptorPassing.Send(supervisor, listener);

        // Once it has answered, the socket is gone, and the agent finds somebody who listens.
        _ = supervisor.Receive(new byte[1]);
    }

    /// <summary>Listens on loopback.</summary>
    internal static Socket Listen(int port)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen(Backlog);
        return listener;
    }
}
