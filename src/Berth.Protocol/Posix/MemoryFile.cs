using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>A file without a name, in memory.</summary>
internal static class MemoryFile
{
    private const uint CloseOnExec = 1;

    /// <summary>Makes one, to be read from its beginning.</summary>
    /// <exception cref="Win32Exception">The kernel refuses it.</exception>
    internal static SafeFileHandle Holding(string name, ReadOnlySpan<byte> content)
    {
        var descriptor = Libc.CreateMemoryFile(name, CloseOnExec);
        if (descriptor < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), $"memfd_create {name}");
        }

        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Descriptor.Write(file, content, out _) is not 0 and var error)
        {
            file.Dispose();
            throw new Win32Exception(error, $"write {name}");
        }

        _ = Libc.Seek(descriptor, 0, 0);
        return file;
    }
}
