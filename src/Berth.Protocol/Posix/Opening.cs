using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Tries whether something can be opened.</summary>
public static class Opening
{
    /// <summary>Opens it, and closes it again. Nothing is written.</summary>
    /// <returns>0, or the number of the error.</returns>
    public static int Error(string path, bool forWriting)
    {
        var create = forWriting && !Path.Exists(path) ? Libc.CreateFlag : 0;
        var descriptor = Libc.Open(
            path, (forWriting ? Libc.WriteOnly : Libc.ReadOnly) | create | Libc.CloseOnExec, Convert.ToInt32("600", 8));
        if (descriptor < 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        new SafeFileHandle(descriptor, ownsHandle: true).Dispose();
        return 0;
    }
}
