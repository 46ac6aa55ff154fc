using System.Globalization;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Local;

/// <summary>The control groups that this system lets us make: where it does, a run's memory, processes and processor
/// time can be limited.</summary>
/// <remarks>
/// Version 2 has one hierarchy, and a controller can be used below a group that hands it on; the nearest such
/// ancestor of ours that we may write to is taken. Version 1 has one hierarchy a controller, and a group below our
/// own is always possible for root. Never above our own where it can be helped: whoever limits us limits the run too.
/// </remarks>
internal sealed class ControlGroups
{
    private const string Prefix = "berth-";
    private const int Kill = 9;

    // Microseconds; a run's share is counted anew in each. It is the kernel's own default.
    private const int CpuPeriod = 100_000;

    /// <summary>Where memory can be limited, or null.</summary>
    internal Layer? Memory { get; private init; }

    /// <summary>Where the number of processes can be limited, or null.</summary>
    internal Layer? Processes { get; private init; }

    /// <summary>Where processor time can be limited, or null.</summary>
    internal Layer? Cpu { get; private init; }

    /// <summary>Looks what there is, and tries it by making a group and removing it.</summary>
    /// <param name="process">The folder of a process in <c>/proc</c>: its mounts and its groups.</param>
    internal static ControlGroups Detect(string process = "/proc/self")
    {
        try
        {
            var mounts =
                File.ReadAllLines(Path.Combine(process, "mountinfo")).Select(Mount.Parse).OfType<Mount>().ToList();
            var groups = File.ReadAllLines(Path.Combine(process, "cgroup"));
            return new ControlGroups
            {
                Memory = Find(mounts, groups, "memory", "memory.limit_in_bytes", "memory.max"),
                Processes = Find(mounts, groups, "pids", "pids.max", "pids.max"),
                Cpu = Find(mounts, groups, "cpu", "cpu.cfs_quota_us", "cpu.max"),
            };
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return new ControlGroups();
        }
    }

    /// <summary>The groups that a run would have; for the record that is written before they are made.</summary>
    internal IReadOnlyList<string> FoldersOf(string runId, ExecutionPolicy policy)
    {
        Layer?[] layers =
        [
            policy.MemoryBytes is null ? null : Memory,
            policy.Processes is null ? null : Processes,
            policy.Cpus is null ? null : Cpu,
        ];
        return [.. layers.OfType<Layer>().Select(layer => Path.Combine(layer.Parent, Prefix + runId))
            .Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Makes the groups of a run and sets their limits. Those that are there already are used.</summary>
    /// <exception cref="IOException">The system did not let us after all.</exception>
    internal void Create(string runId, ExecutionPolicy policy)
    {
        foreach (var folder in FoldersOf(runId, policy))
        {
            Directory.CreateDirectory(folder);
        }

        if (policy.MemoryBytes is { } bytes && Memory is { } memory)
        {
            var folder = Path.Combine(memory.Parent, Prefix + runId);
            var text = bytes.ToString(CultureInfo.InvariantCulture);
            File.WriteAllText(Path.Combine(folder, memory.Version2 ? "memory.max" : "memory.limit_in_bytes"), text);

            // Swap would only make a run that has too much slow instead of ended. Not every kernel counts it.
            var (swap, most) = memory.Version2 ? ("memory.swap.max", "0") : ("memory.memsw.limit_in_bytes", text);
            TryWrite(Path.Combine(folder, swap), most);
        }

        if (policy.Processes is { } count && Processes is { } processes)
        {
            var file = Path.Combine(processes.Parent, Prefix + runId, "pids.max");
            File.WriteAllText(file, count.ToString(CultureInfo.InvariantCulture));
        }

        if (policy.Cpus is { } cpus && Cpu is { } cpu)
        {
            var folder = Path.Combine(cpu.Parent, Prefix + runId);
            var quota = string.Create(CultureInfo.InvariantCulture, $"{(long)(cpus * CpuPeriod)}");
            if (cpu.Version2)
            {
                File.WriteAllText(Path.Combine(folder, "cpu.max"), $"{quota} {CpuPeriod}");
                return;
            }

            File.WriteAllText(
                Path.Combine(folder, "cpu.cfs_period_us"), CpuPeriod.ToString(CultureInfo.InvariantCulture));
            File.WriteAllText(Path.Combine(folder, "cpu.cfs_quota_us"), quota);
        }
    }

    /// <summary>The processes in the groups of a run.</summary>
    internal static IReadOnlyList<ProcessIdentity> Members(IEnumerable<string> folders) =>
        [.. folders.SelectMany(folder => Lines(Path.Combine(folder, "cgroup.procs")))
            .Select(line => ProcessIdentity.Of(int.Parse(line, CultureInfo.InvariantCulture)))
            .OfType<ProcessIdentity>()];

    /// <summary>Kills what is in the groups of a run and removes them.</summary>
    /// <returns>Those that could not be removed yet: the kernel lets a group go only when its last process is
    /// gone.</returns>
    internal static IReadOnlyList<string> Remove(string runId, IEnumerable<string> folders)
    {
        var left = new List<string>();
        foreach (var folder in folders.Where(folder => IsOf(runId, folder) && Directory.Exists(folder)))
        {
            foreach (var member in Members([folder]))
            {
                member.Signal(Kill);
            }

            if (!TryRemove(folder))
            {
                left.Add(folder);
            }
        }

        return left;
    }

    // The list comes from a file. Whatever it says, only a group of this run's name is removed.
    private static bool IsOf(string runId, string folder) =>
        string.Equals(Path.GetFileName(folder), Prefix + runId, StringComparison.Ordinal);

    private static Layer? Find(
        List<Mount> mounts, string[] groups, string controller, string version1File, string version2File)
    {
        // A line is "number:controllers:path"; version 2 is "0::path".
        var lines = groups.Select(line => line.Split(':', 3)).Where(parts => parts.Length == 3).ToList();
        var first = lines.Find(parts => parts[1].Split(',').Contains(controller, StringComparer.Ordinal));
        if (first is not null && mounts.Find(mount => !mount.Version2 && mount.Has(controller)) is { } hierarchy)
        {
            var own = hierarchy.FolderOf(first[2]);
            return TryGroup(own, version1File) ? new Layer(own, Version2: false) : null;
        }

        var second = lines.Find(parts => parts[1].Length == 0);
        if (second is null || mounts.Find(mount => mount.Version2) is not { } unified)
        {
            return null;
        }

        for (var folder = unified.FolderOf(second[2]);
             folder is not null && folder.StartsWith(unified.Point, StringComparison.Ordinal);
             folder = Path.GetDirectoryName(folder))
        {
            if (HandsOn(folder, controller) && TryGroup(folder, version2File))
            {
                return new Layer(folder, Version2: true);
            }
        }

        return null;
    }

    private static bool HandsOn(string folder, string controller) =>
        Lines(Path.Combine(folder, "cgroup.subtree_control"))
            .SelectMany(line => line.Split(' ')).Contains(controller, StringComparer.Ordinal);

    private static bool TryGroup(string parent, string limitFile)
    {
        var trial = Path.Combine(parent, $"{Prefix}trial-{Guid.NewGuid():N}");
        try
        {
            // Moving a process into a group needs the right to write to the group above as well.
            File.OpenHandle(Path.Combine(parent, "cgroup.procs"), FileMode.Open, FileAccess.Write).Dispose();
            if (!Directory.Exists(parent))
            {
                return false;
            }

            Directory.CreateDirectory(trial);
            return File.Exists(Path.Combine(trial, limitFile));
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
        finally
        {
            TryRemove(trial);
        }
    }

    private static bool TryRemove(string folder)
    {
        try
        {
            foreach (var inner in Directory.Exists(folder) ? Directory.GetDirectories(folder) : [])
            {
                TryRemove(inner);
            }

            Directory.Delete(folder);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception busy) when (busy is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void TryWrite(string file, string text)
    {
        try
        {
            if (File.Exists(file))
            {
                File.WriteAllText(file, text);
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // The limit itself is set; this only sharpens it.
        }
    }

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Where groups with one controller can be made.</summary>
    internal sealed record Layer(string Parent, bool Version2)
    {
        /// <summary>For people.</summary>
        internal string Detail => $"control groups version {(Version2 ? 2 : 1)} under {Parent}";
    }

    /// <summary>A mounted hierarchy, from a line of mountinfo.</summary>
    private sealed record Mount(string Root, string Point, bool Version2, string[] Options)
    {
        internal bool Has(string controller) => Options.Contains(controller, StringComparer.Ordinal);

        // In a container the mount shows only a part of the hierarchy; then our path may begin above it.
        internal string FolderOf(string path)
        {
            var below = path.StartsWith(Root, StringComparison.Ordinal) ? path[Root.Length..] : path;
            var folder = Path.TrimEndingDirectorySeparator(Path.Combine(Point, below.TrimStart('/')));
            return Directory.Exists(folder) ? folder : Point;
        }

        private static string Unescaped(string point) => point.Replace("\\040", " ", StringComparison.Ordinal);

        internal static Mount? Parse(string line)
        {
            // id parent major:minor root point options fields... - type source options
            var halves = line.Split(" - ", 2);
            var left = halves[0].Split(' ');
            var right = halves.Length == 2 ? halves[1].Split(' ') : [];
            return right is [var type and ("cgroup" or "cgroup2"), _, var options, ..] && left.Length >= 5
                ? new Mount(left[3], Unescaped(left[4]), type is "cgroup2", options.Split(','))
                : null;
        }
    }
}
