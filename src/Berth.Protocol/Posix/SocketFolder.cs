using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Unix sockets in a folder of any depth. A socket's path may have 107 bytes; a run directory's may have
/// more.</summary>
/// <remarks>The folder is opened and the socket is named through <c>/proc/self/fd</c>, which is short. Keep this open
/// while it is used.</remarks>
public sealed class SocketFolder : IDisposable
{
    private readonly SafeFileHandle handle;

    /// <summary>Opens the folder.</summary>
    /// <exception cref="DirectoryNotFoundException">It is not there.</exception>
    public SocketFolder(string folder)
    {
        var descriptor = Libc.Open(folder, Libc.PathOnly | Libc.CloseOnExec, 0);
        handle = descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new DirectoryNotFoundException($"{folder}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>A short path of a socket in the folder, good in this process only.</summary>
    public string PathOf(string name) =>
        string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{handle.DangerousGetHandle()}/{name}");

    /// <summary>The end point of a socket in the folder, good in this process only.</summary>
    public UnixDomainSocketEndPoint EndPoint(string name) => new(PathOf(name));

    /// <summary>Closes the folder.</summary>
    public void Dispose() => handle.Dispose();
}
