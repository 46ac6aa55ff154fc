using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>The seccomp filter of the agent and of capture, the same in both modes: which system calls are refused, and
/// why.</summary>
/// <remarks>
/// A list of what is refused, not of what is allowed: the agent builds and tests anybody's programs. Each entry is
/// refused because it reaches what other limits do not cover, or parts of the kernel that builds have no use for. The
/// error is the one for which programs have a second way: a missing call where there is one, no permission otherwise.
/// Calls that are newer than this list do not exist either. docs/LOCAL_MODE_GUIDE.md says what does not work under it.
/// </remarks>
public static class AgentFilter
{
    private const int NotPermitted = 1;
    private const int InvalidArgument = 22;
    private const int NoSuchCall = 38;
    private const int NoSuchFamily = 97;

    // file_setattr, of Linux 6.17: the newest call that was judged for this list.
    private const int NewestCall = 469;

    // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; and NEWTIME, which in clone is a signal's bit.
    private const uint NewNamespaces = 0x7e02_0000;
    private const uint NewTimeNamespace = 0x80;

    private const uint Unix = 1;
    private const uint Inet = 2;
    private const uint Inet6 = 10;
    private const uint Netlink = 16;
    private const nuint VirtualMachines = 40;
    private const nuint StreamSocket = 1;

    // Linux, 32-bit Linux, both with version 2.6 in the answer of uname, and the question which one it is.
    private static readonly uint[] UsualPersonalities = [0, 8, 0x2_0000, 0x2_0008, uint.MaxValue];

    private const uint PushInput = 0x5412;
    private const uint ConsoleInput = 0x541c;

    /// <summary>The list.</summary>
    internal static IReadOnlyList<FilterRule> Rules { get; } =
    [
        new("Keyrings are the session's of whoever started Berth: Kerberos tickets, keys of disks.", NoSuchCall,
            new("add_key", 248, 217), new("request_key", 249, 218), new("keyctl", 250, 219)),
        new("Another process's memory, registers and descriptors: the CLI's, which holds its input.", NotPermitted,
            new("ptrace", 101, 117), new("process_vm_readv", 310, 270), new("process_vm_writev", 311, 271),
            new("pidfd_getfd", 438, 438), new("kcmp", 312, 272), new("process_madvise", 440, 440)),
        new("Acts past other filters, and had a hole a year. libuv and Go have a second way.", NoSuchCall,
            new("io_uring_setup", 425, 425), new("io_uring_enter", 426, 426), new("io_uring_register", 427, 427)),
        new("Holds the kernel in the middle of a copy, which exploits need.", NoSuchCall,
            new FilterCall("userfaultfd", 323, 282)),
        new("The processor's counters tell of other processes, and the code behind them had holes.", NotPermitted,
            new FilterCall("perf_event_open", 298, 241)),
        new("Programs for the kernel.", NotPermitted, new FilterCall("bpf", 321, 280)),
        new("Nothing inside may change what is mounted.", NotPermitted,
            new("mount", 165, 40), new("umount2", 166, 39), new("pivot_root", 155, 41), new("open_tree", 428, 428),
            new("move_mount", 429, 429), new("fsopen", 430, 430), new("fsconfig", 431, 431),
            new("fsmount", 432, 432), new("fspick", 433, 433), new("mount_setattr", 442, 442),
            new("open_tree_attr", 467, 467)),
        new("In a user namespace of its own a process has every capability, and with them most of the kernel.",
            NotPermitted, new FilterCall("setns", 308, 268)),
        new("As above, where it is asked for with flags.", NotPermitted, new FilterCall("clone", 56, 220))
        {
            Test = FilterTest.AnyBit(0, NewNamespaces),
        },
        new("As above.", NotPermitted, new FilterCall("unshare", 272, 97))
        {
            Test = FilterTest.AnyBit(0, NewNamespaces | NewTimeNamespace),
        },
        new("Its flags are in memory, where no filter sees them. The C library then takes clone.", NoSuchCall,
            new FilterCall("clone3", 435, 435)),
        new("Another kernel, and more of this one.", NotPermitted,
            new("kexec_load", 246, 104), new("kexec_file_load", 320, 294), new("init_module", 175, 105),
            new("finit_module", 313, 273), new("delete_module", 176, 106)),
        new("The machine's, not a run's.", NotPermitted,
            new("swapon", 167, 224), new("swapoff", 168, 225), new("reboot", 169, 142), new("syslog", 103, 116),
            new("acct", 163, 89), new("quotactl", 179, 60), new("quotactl_fd", 443, 443),
            new("iopl", 172, FilterCall.None), new("ioperm", 173, FilterCall.None)),
        new("A file by its number: past every folder that is in the way.", NotPermitted,
            new("name_to_handle_at", 303, 264), new("open_by_handle_at", 304, 265)),
        new("Memory without random addresses, or executable throughout: for exploits.", NotPermitted,
            new FilterCall("personality", 135, 92)) { Test = FilterTest.NoneOf(0, UsualPersonalities) },
        new("Types into a terminal that somebody else reads.", InvalidArgument,
            new FilterCall("ioctl", 16, 29)) { Test = FilterTest.OneOf(1, PushInput, ConsoleInput) },
        new("AF_VSOCK reaches the hypervisor, AF_PACKET the wire; the others are code that nobody needs.",
            NoSuchFamily, new FilterCall("socket", 41, 198), new FilterCall("socketpair", 53, 199))
        {
            Test = FilterTest.NoneOf(0, Unix, Inet, Inet6, Netlink),
        },
    ];

    /// <summary>The filter as the kernel reads it, for the processor of this machine: an array of
    /// <c>struct sock_filter</c>.</summary>
    public static ReadOnlyMemory<byte> Program { get; } = ProgramFor(RuntimeInformation.ProcessArchitecture);

    /// <summary>How many calls are refused whatever their arguments are.</summary>
    public static int CallCount => Always.Count();

    /// <summary>Makes every call that is refused whatever its arguments are, and a socket of a kind that is refused,
    /// with arguments that do no harm.</summary>
    /// <returns>The names of those that were not refused as the list says.</returns>
    public static IReadOnlyList<string> TryAll() =>
    [
        .. Always.Where(call => Libc.SystemCall(call.Number, 0, 0, 0) >= 0
            || Marshal.GetLastPInvokeError() != call.Error).Select(call => call.Name),
        .. Libc.SystemCall(IsArm ? 198 : 41, VirtualMachines, StreamSocket, 0) >= 0
            || Marshal.GetLastPInvokeError() != NoSuchFamily
                ? new[] { "socket(AF_VSOCK)" }
                : [],
    ];

    private static bool IsArm => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    private static IEnumerable<(string Name, int Number, int Error)> Always =>
        from rule in Rules
        where rule.Test is null
        from call in rule.Calls
        let number = IsArm ? call.Arm64 : call.X64
        where number != FilterCall.None
        select (call.Name, number, rule.Error);

    internal static byte[] ProgramFor(Architecture architecture)
    {
        var isArm = architecture == Architecture.Arm64;
        var program = new FilterProgram(isArm);
        program.RefuseFrom(NewestCall + 1, NoSuchCall);
        foreach (var rule in Rules)
        {
            foreach (var call in rule.Calls)
            {
                if ((isArm ? call.Arm64 : call.X64) is not FilterCall.None and var number)
                {
                    program.Refuse(number, rule.Error, rule.Test);
                }
            }
        }

        return program.Finish();
    }

    /// <summary>A descriptor from which the filter can be read once, for bubblewrap.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel has no memory for it.</exception>
    public static Microsoft.Win32.SafeHandles.SafeFileHandle Open() => MemoryFile.Holding("berth-filter", Program.Span);
}

/// <summary>What is refused, and why.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Error">The error that the caller gets.</param>
/// <param name="Calls">The system calls.</param>
internal sealed record FilterRule(string Reason, int Error, params IReadOnlyList<FilterCall> Calls)
{
    /// <summary>When; null, the default, for always.</summary>
    internal FilterTest? Test { get; init; }
}

/// <summary>A system call, with its number on each processor.</summary>
internal sealed record FilterCall(string Name, int X64, int Arm64)
{
    /// <summary>The number of a call that a processor does not have.</summary>
    internal const int None = -1;
}

/// <summary>Looks at the lower half of an argument; the kernel ignores the upper half of all that are tested.</summary>
/// <param name="Argument">Which one, from 0.</param>
/// <param name="Kind">How.</param>
/// <param name="Values">With what.</param>
internal sealed record FilterTest(int Argument, FilterTestKind Kind, IReadOnlyList<uint> Values)
{
    internal static FilterTest AnyBit(int argument, uint mask) => new(argument, FilterTestKind.AnyBit, [mask]);

    internal static FilterTest OneOf(int argument, params IReadOnlyList<uint> values) =>
        new(argument, FilterTestKind.OneOf, values);

    internal static FilterTest NoneOf(int argument, params IReadOnlyList<uint> values) =>
        new(argument, FilterTestKind.NoneOf, values);
}

/// <summary>When a call is refused.</summary>
internal enum FilterTestKind
{
    /// <summary>The argument has one of the bits.</summary>
    AnyBit,

    /// <summary>It is one of the values.</summary>
    OneOf,

    /// <summary>It is none of them.</summary>
    NoneOf,
}
