using System.ComponentModel;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>A user that a child runs as: no supplementary groups, no capabilities, and none to be had.</summary>
/// <param name="Id">The user's number.</param>
/// <param name="Group">The group's number.</param>
public sealed record ChildUser(uint Id, uint Group)
{
    /// <summary>The user and group that this process runs as.</summary>
    public static ChildUser Current => new(Libc.EffectiveUser(), Libc.EffectiveGroup());
}

/// <summary>Does something as another user, or under a filter of system calls, on a thread of its own.</summary>
/// <remarks>
/// To the kernel a user belongs to a thread; only the C library makes all threads of a process change theirs together.
/// So a thread becomes another user by the bare system calls, starts the child, which inherits that user, and ends;
/// the process stays who it is. Nothing has to be executed in between, which a helper program would take 40 ms for.
/// The change makes the whole process undumpable, so that the user which the thread is for a moment cannot trace it.
/// </remarks>
internal static class UserThread
{
    private const int DropFromBoundingSet = 24;
    private const int SetNoNewPrivileges = 38;
    private const int SetFilter = 22;
    private const nuint FilterMode = 2;
    private const nuint LastCapability = 63;

    private static readonly bool IsArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    private static nint SetGroups => IsArm ? 159 : 116;

    private static nint SetGroup => IsArm ? 149 : 119;

    private static nint SetUser => IsArm ? 147 : 117;

    /// <summary>Runs it and gives what it gave, or throws what it threw.</summary>
    internal static T Run<T>(ChildUser? user, ReadOnlyMemory<byte> filter, Func<T> work)
    {
        T result = default!;
        ExceptionDispatchInfo? thrown = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    if (user is not null)
                    {
                        Become(user);
                    }

                    if (!filter.IsEmpty)
                    {
                        Check(Libc.ProcessControl(SetNoNewPrivileges, 1, 0, 0, 0), "renounce new privileges");
                        Filter(filter.Span);
                    }

                    result = work();
                }
                catch (Exception failure) when (failure is Win32Exception or ArgumentException)
                {
                    thrown = ExceptionDispatchInfo.Capture(failure);
                }
            },
            maxStackSize: 256 * 1024) { IsBackground = true, Name = "other user" };
        thread.Start();
        thread.Join();
        thrown?.Throw();
        return result;
    }

    private static void Become(ChildUser user)
    {
        // Past the kernel's last capability the call is refused, and all others are gone.
        for (nuint capability = 0; capability <= LastCapability; capability++)
        {
            if (Libc.ProcessControl(DropFromBoundingSet, capability, 0, 0, 0) != 0)
            {
                Check(capability > 0 ? 0 : -1, "drop capabilities");
                break;
            }
        }

        Check(Libc.ProcessControl(SetNoNewPrivileges, 1, 0, 0, 0), "renounce new privileges");
        Check(Libc.SystemCall(SetGroups, 0, 0, 0), "leave all groups");
        Check(Libc.SystemCall(SetGroup, user.Group, user.Group, user.Group), "change the group");
        Check(Libc.SystemCall(SetUser, user.Id, user.Id, user.Id), "change the user");
    }

    // For this thread, and for what it starts: the process's other threads stay as they are.
    private static unsafe void Filter(ReadOnlySpan<byte> filter)
    {
        fixed (byte* first = filter)
        {
            var program = new FilterHeader { Count = (ushort)(filter.Length / sizeof(ulong)), First = first };
            Check(Libc.ProcessControl(SetFilter, FilterMode, (nuint)(&program), 0, 0), "filter system calls");
        }
    }

    private static void Check(nint result, string what)
    {
        if (result != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new Win32Exception(error, $"{what}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }
}

/// <summary>A filter for the kernel: <c>struct sock_fprog</c> of 64-bit Linux.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct FilterHeader
{
    internal ushort Count;
    internal byte* First;
}
