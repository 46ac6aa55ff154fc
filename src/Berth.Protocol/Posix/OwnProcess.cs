using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>What a process can change about itself.</summary>
public static class OwnProcess
{
    private const int SetDumpable = 4;

    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>No process without the capability may trace this one, or look at its memory and descriptors.</summary>
    public static void ForbidTracing() => _ = Libc.ProcessControl(SetDumpable, 0, 0, 0, 0);

    /// <summary>Files are made, read and removed as this user by the calling thread and those that it
    /// starts.</summary>
    public static void ActOnFilesAs(ChildUser user)
    {
        ArgumentNullException.ThrowIfNull(user);

        // These calls give the old number and no error. The group goes first: afterwards it may not be changed.
        _ = Libc.SystemCall(IsArm ? 152 : 123, user.Group, 0, 0);
        _ = Libc.SystemCall(IsArm ? 151 : 122, user.Id, 0, 0);
    }
}

/// <summary>A folder that is held open for as long as this process lives.</summary>
public static class HeldFolder
{
    /// <summary>Opens it.</summary>
    /// <returns>A path by which this process, and no other, reaches it, whatever folders lead there.</returns>
    /// <exception cref="Win32Exception">It cannot be opened.</exception>
    public static string Open(string folder)
    {
        var descriptor = Libc.Open(folder, Libc.PathOnly | Libc.CloseOnExec, 0);
        return descriptor >= 0
            ? string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}")
            : throw new Win32Exception(Marshal.GetLastPInvokeError(), folder);
    }
}
