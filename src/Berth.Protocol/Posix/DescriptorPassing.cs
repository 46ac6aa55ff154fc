using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>Hands an open socket to another process through a Unix socket: it stays what and where it was, in a network
/// namespace for example.</summary>
public static unsafe class DescriptorPassing
{
    // struct cmsghdr of 64-bit Linux: length, level, type, and then the descriptor; padded to a word.
    private const int ControlBytes = 24;
    private const int ControlLength = 20;
    private const int LevelAt = 8;
    private const int TypeAt = 12;
    private const int DescriptorAt = 16;
    private const int SocketLevel = 1;
    private const int Rights = 1;
    private const int CloseOnExec = 0x40000000;

    /// <summary>Sends a socket.</summary>
    /// <exception cref="SocketException">It could not be sent.</exception>
    public static void Send(Socket through, Socket socket)
    {
        ArgumentNullException.ThrowIfNull(through);
        ArgumentNullException.ThrowIfNull(socket);
        var control = stackalloc byte[ControlBytes];
        new Span<byte>(control, ControlBytes).Clear();
        *(nuint*)control = ControlLength;
        *(int*)(control + LevelAt) = SocketLevel;
        *(int*)(control + TypeAt) = Rights;
        *(int*)(control + DescriptorAt) = (int)socket.Handle;
        if (Exchange(through, control, isSending: true) != 1)
        {
            throw new SocketException(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>Receives a socket; null where the other side sent none, or has gone.</summary>
    public static Socket? Receive(Socket through)
    {
        ArgumentNullException.ThrowIfNull(through);
        var control = stackalloc byte[ControlBytes];
        new Span<byte>(control, ControlBytes).Clear();
        return Exchange(through, control, isSending: false) == 1
            && *(nuint*)control == ControlLength && *(int*)(control + TypeAt) == Rights
                ? new Socket(new SafeSocketHandle(*(int*)(control + DescriptorAt), ownsHandle: true))
                : null;
    }

    // A descriptor travels with at least one byte.
    private static nint Exchange(Socket through, byte* control, bool isSending)
    {
        byte letter = 0;
        var part = new MessagePart { Bytes = &letter, Length = 1 };
        var message = new MessageHeader
        {
            Parts = &part, PartCount = 1, Control = control, ControlLength = ControlBytes,
        };
        var number = (int)through.Handle;
        while (true)
        {
            var count = isSending ? Libc.SendMessage(number, &message, 0)
                : Libc.ReceiveMessage(number, &message, CloseOnExec);
            if (count >= 0 || Marshal.GetLastPInvokeError() != Libc.Interrupted)
            {
                return count;
            }
        }
    }
}
