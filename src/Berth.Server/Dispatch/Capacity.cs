using System.Globalization;
using Berth.Engine;
using Berth.Protocol;

namespace Berth.Server.Dispatch;

/// <summary>Whether the machine has room for another run.</summary>
internal static class Capacity
{
    private const long Mebi = 1024 * 1024;

    /// <summary>Refuses new runs where disk or memory run low: those at work need the rest.</summary>
    /// <exception cref="FailureException"><c>disk_low</c>, <c>memory_low</c>.</exception>
    public static void Check(BerthOptions options)
    {
        if (Lacking(options) is { } lacking)
        {
            throw new FailureException(lacking);
        }
    }

    /// <summary>What there is too little of, or null.</summary>
    public static Failure? Lacking(BerthOptions options)
    {
        var disk = new DriveInfo(options.RunsRoot ?? options.Home).AvailableFreeSpace;
        if (disk < options.Server.LeastDisk)
        {
            return new Failure(
                "disk_low",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{disk / Mebi} MiB are free on the server's disk, and {options.Server.LeastDisk / Mebi} must be."),
                "Have berth cleanup --all run there, or try again later.",
                Fault.Operator);
        }

        return Available() is { } memory && memory < options.Server.LeastMemory
            ? new Failure(
                "memory_low",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{memory / Mebi} MiB of memory are available, and {options.Server.LeastMemory / Mebi} must be."),
                "Try again when other runs have ended.",
                Fault.Operator)
            : null;
    }

    // proc_meminfo(5): what can be had without swapping, in KiB.
    private static long? Available()
    {
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal)
                && line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, ..]
                && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kibi))
            {
                return kibi * 1024;
            }
        }

        return null;
    }
}
