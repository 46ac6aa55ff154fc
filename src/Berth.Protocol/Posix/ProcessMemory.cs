using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>Bounds the memory of a process that was just started.</summary>
public static class ProcessMemory
{
    private const int Data = 2;

    /// <summary>Bounds what the process, and each that it starts, may have of heap and other private memory
    /// (RLIMIT_DATA). Files that it maps to read do not count.</summary>
    /// <remarks>The parent comes before its children: what it starts afterwards inherits the bound, and what it has
    /// started before is found here.</remarks>
    public static void Bound(int process, long bytes)
    {
        Set(process, bytes);
        foreach (var descendant in ProcessTree.DescendantsOf(process))
        {
            Set(descendant.Pid, bytes);
        }
    }

    private static unsafe void Set(int process, long bytes)
    {
        var limit = new Limit { Soft = (ulong)bytes, Hard = (ulong)bytes };
        _ = Libc.LimitProcess(process, Data, &limit, null);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Limit
    {
        internal ulong Soft;
        internal ulong Hard;
    }
}
