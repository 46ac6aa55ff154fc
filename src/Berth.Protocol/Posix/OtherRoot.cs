using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Another root folder for as long as a child is being started.</summary>
/// <remarks>The root is that of the whole process, and what a container may do does not let a thread have its own. So
/// this is for a process whose other threads name no files in that millisecond.</remarks>
internal static class OtherRoot
{
    /// <summary>Does something with that root, and goes back.</summary>
    /// <exception cref="Win32Exception">It is not there, or may not be the root.</exception>
    internal static T Run<T>(string? root, Func<T> work)
    {
        if (root is null)
        {
            return work();
        }

        var descriptor = Libc.Open("/", Libc.PathOnly | Libc.CloseOnExec, 0);
        using var own = new SafeFileHandle(descriptor, ownsHandle: true);
        Check(Libc.ChangeRoot(root), root);
        try
        {
            return work();
        }
        finally
        {
            Check(Libc.ChangeToFolder(descriptor), "go back to the own root");
            Check(Libc.ChangeRoot("."), "go back to the own root");
        }
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new Win32Exception(error, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }
}
