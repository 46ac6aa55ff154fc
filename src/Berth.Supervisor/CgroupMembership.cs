using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Puts what is started into the run's cgroups, and reads their counters.</summary>
/// <remarks>
/// The supervisor goes in itself, starts the child, and comes out again: a child that were put in after its start
/// could have forked by then. Where threads can be moved alone (version 1) only the main thread goes in, so that our
/// others do not use up a process limit.
/// </remarks>
internal sealed class CgroupMembership
{
    private const string Procs = "cgroup.procs";
    private const string Threads = "tasks";
    private readonly IReadOnlyList<string> folders;
    private readonly IReadOnlyList<string> counted;
    private readonly List<string> homes;
    private readonly (long Memory, long Processes) before;

    /// <param name="folders">Those that what is started is put into.</param>
    /// <param name="onlyCounted">Those that it is in anyway.</param>
    internal CgroupMembership(IReadOnlyList<string> folders, IReadOnlyList<string> onlyCounted)
    {
        this.folders = folders;
        counted = [.. folders, .. onlyCounted];
        homes = folders.Count == 0 ? [] : [.. folders.Select(HomeOf).OfType<string>()];
        before = Counters();
    }

    /// <summary>Runs something inside the cgroups.</summary>
    internal T Inside<T>(Func<T> start)
    {
        try
        {
            Enter(folders);
            return start();
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Whether a memory limit, or a process limit, was met since this was made.</summary>
    internal (bool Memory, bool Processes) LimitsMet()
    {
        var now = Counters();
        return (now.Memory > before.Memory, now.Processes > before.Processes);
    }

    private static void Enter(IReadOnlyList<string> cgroups)
    {
        foreach (var folder in cgroups)
        {
            try
            {
                // The main thread's number is the process's.
                var threads = Path.Combine(folder, Threads);
                var file = File.Exists(threads) ? threads : Path.Combine(folder, Procs);
                File.WriteAllText(file, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                throw new FailureException(
                    "cgroup_refused",
                    $"The run was to be put under its limits in {folder}: {refused.Message}",
                    "Run `berth doctor`; it says which limits this machine can give.",
                    Fault.Operator,
                    refused);
            }
        }
    }

    private void Leave()
    {
        foreach (var home in homes)
        {
            try
            {
                File.WriteAllText(Path.Combine(home, Procs),
                    Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                // Then the supervisor shares the limits with the run; the run itself is as it should be.
                ErrorLog.Say($"berth-supervisor: could not go back to {home}: {refused.Message}");
            }
        }
    }

    /// <summary>The folder of the cgroup that we are in now, in the hierarchy that a folder belongs to.</summary>
    private static string? HomeOf(string folder)
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            // Fields: id parent device root mount-point options... - type source super-options.
            var fields = line.Split(' ');
            var dash = Array.IndexOf(fields, "-");
            var (root, mount, type) = (fields[3], fields[4], fields[dash + 1]);
            if (type is not "cgroup" and not "cgroup2" || !folder.StartsWith(mount + "/", StringComparison.Ordinal))
            {
                continue;
            }

            var own = type is "cgroup2" ? OwnPath(static names => names.Length == 0)
                : OwnPath(names => names.Split(',').Intersect(fields[^1].Split(','), StringComparer.Ordinal).Any());
            if (own is null)
            {
                return null;
            }

            var below = root.Length > 1 && own.StartsWith(root, StringComparison.Ordinal) ? own[root.Length..] : own;
            return mount + below;
        }

        return null;
    }

    private static string? OwnPath(Func<string, bool> isHierarchy)
    {
        foreach (var line in File.ReadLines("/proc/self/cgroup"))
        {
            var fields = line.Split(':', 3);
            if (isHierarchy(fields[1]))
            {
                return fields[2];
            }
        }

        return null;
    }

    private (long Memory, long Processes) Counters()
    {
        long memory = 0;
        long processes = 0;
        foreach (var folder in counted)
        {
            memory += Counter(folder, "memory.events", "oom_kill ")
                + Counter(folder, "memory.oom_control", "oom_kill ");
            processes += Counter(folder, "pids.events", "max ");
        }

        return (memory, processes);
    }

    private static long Counter(string folder, string file, string name)
    {
        try
        {
            var line = File.ReadLines(Path.Combine(folder, file)).FirstOrDefault(line =>
                line.StartsWith(name, StringComparison.Ordinal));
            return line is null ? 0 : long.Parse(line.AsSpan(name.Length), CultureInfo.InvariantCulture);
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
