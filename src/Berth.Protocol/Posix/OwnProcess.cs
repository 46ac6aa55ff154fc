using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>What a process can change about itself.</summary>
public static class OwnProcess
{
    private const int SetDumpable = 4;
    private const int JoinSessionKeyring = 1;
    private const int LastSignal = 31;
    private const int SignalSetBytes = 128;
    private const int SetMask = 2;
    private const int CloseRange = 436;
    private const int CloseOnExecRange = 4;
    private const int FirstOther = 3;

    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>No process without the capability may trace this one, or look at its memory and descriptors.</summary>
    public static void ForbidTracing() => _ = Libc.ProcessControl(SetDumpable, 0, 0, 0, 0);

    /// <summary>Leaves the keyring of the session that this was started in for a new one without a name, for the
    /// calling thread and all that it starts.</summary>
    /// <returns>0, or the number of the error.</returns>
    public static int LeaveSessionKeyring() =>
        Libc.SystemCall(IsArm ? 219 : 250, JoinSessionKeyring, 0, 0) >= 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Files are made, read and removed as this user by the calling thread and those that it
    /// starts.</summary>
    public static void ActOnFilesAs(ChildUser user)
    {
        ArgumentNullException.ThrowIfNull(user);

        // These calls give the old number and no error. The group goes first: afterwards it may not be changed.
        _ = Libc.SystemCall(IsArm ? 152 : 123, user.Group, 0, 0);
        _ = Libc.SystemCall(IsArm ? 151 : 122, user.Id, 0, 0);
    }

    /// <summary>Becomes another program, with this process's number, streams and environment: default signals, an empty
    /// mask, and no descriptor but 0, 1 and 2.</summary>
    /// <param name="argv">The whole command; the first is an absolute path.</param>
    /// <param name="unset">Variables that the program is not to have.</param>
    /// <returns>The number of the error: it only returns where it failed.</returns>
    public static unsafe int Become(IReadOnlyList<string> argv, IReadOnlyList<string> unset)
    {
        ArgumentNullException.ThrowIfNull(argv);
        ArgumentNullException.ThrowIfNull(unset);
        foreach (var name in unset)
        {
            _ = Libc.Unset(name);
        }

        // An ignored signal would stay ignored; handlers go by themselves.
        for (var signal = 1; signal <= LastSignal; signal++)
        {
            _ = Libc.Handle(signal, 0);
        }

        var mask = stackalloc byte[SignalSetBytes];
        new Span<byte>(mask, SignalSetBytes).Clear();
        _ = Libc.SetSignalMask(SetMask, mask, null);
        _ = Libc.SystemCall(CloseRange, FirstOther, uint.MaxValue, CloseOnExecRange);
        using var words = new NativeStrings(argv);
        _ = Libc.Execute(argv[0], words.Pointer);
        return Marshal.GetLastPInvokeError();
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
