using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Serialization;

namespace Berth.Protocol.Posix;

/// <summary>Names one process for good: a number alone is given to another process later, and starts anew after a
/// reboot.</summary>
/// <param name="Pid">The process id.</param>
/// <param name="StartTicks">When it started, in clock ticks since boot: field 22 of <c>/proc/PID/stat</c>.</param>
/// <param name="BootId">Which boot: <c>/proc/sys/kernel/random/boot_id</c>.</param>
public sealed record ProcessIdentity(int Pid, long StartTicks, string BootId)
{
    // 52 numbers of at most 20 digits each, and a name of at most 64 bytes.
    private const int StatBytes = 2048;

    /// <summary>This boot's id.</summary>
    public static string CurrentBootId { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Whether this very process is alive; a zombie is not.</summary>
    [JsonIgnore]
    public bool IsAlive => Of(Pid) is { } now && now == this;

    /// <summary>The identity of a live process, or null where there is none of that number.</summary>
    public static ProcessIdentity? Of(int pid) =>
        ReadStat(pid) is { State: not 'Z' and not 'X' } stat
            ? new ProcessIdentity(pid, stat.StartTicks, CurrentBootId) : null;

    /// <summary>Signals this very process; never another one that has its number now.</summary>
    /// <returns>Whether the signal was sent.</returns>
    public bool Signal(int signal) => IsAlive && Libc.Kill(Pid, signal) == 0;

    /// <summary>What <c>/proc/PID/stat</c> says, or null where the process is gone.</summary>
    internal static ProcessStat? ReadStat(int pid)
    {
        using var file = Descriptor.TryOpen(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
        Span<byte> line = stackalloc byte[StatBytes];
        line = line[..(file is null ? 0 : Descriptor.Read(file, line))];

        // The name in parentheses may hold spaces and parentheses itself, so the fields are counted from the last one.
        var close = line.LastIndexOf((byte)')');
        if (close < 0)
        {
            return null;
        }

        var fields = Encoding.ASCII.GetString(line[(close + 2)..]).Split(' ');
        return new ProcessStat(pid, fields[0][0], int.Parse(fields[1], CultureInfo.InvariantCulture),
            long.Parse(fields[19], CultureInfo.InvariantCulture));
    }
}

/// <summary>The fields of <c>/proc/PID/stat</c> that Berth reads.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ProcessStat(int Pid, char State, int Parent, long StartTicks);
