using System.Globalization;

namespace Berth.Protocol.Posix;

/// <summary>The descendants of one process, found by the parents that <c>/proc</c> names.</summary>
/// <remarks>
/// With <see cref="BecomeSubreaper"/> nothing escapes: a daemon that forks twice and starts a session of its own is
/// handed to the reaper and is found again. A process in a pid namespace is seen here by its outer number.
/// </remarks>
public static class ProcessTree
{
    /// <summary>Orphans among our descendants become our children instead of init's.</summary>
    public static void BecomeSubreaper()
    {
        if (Libc.ProcessControl(Libc.SetChildSubreaper, 1, 0, 0, 0) != 0)
        {
            throw new InvalidOperationException("prctl(PR_SET_CHILD_SUBREAPER) failed.");
        }
    }

    /// <summary>All live descendants, nearest first. Zombies are left out.</summary>
    public static IReadOnlyList<ProcessIdentity> DescendantsOf(int root)
    {
        var byParent = Snapshot().ToLookup(stat => stat.Parent);
        var found = new List<ProcessIdentity>();
        var open = new Queue<int>([root]);
        while (open.TryDequeue(out var parent))
        {
            foreach (var child in byParent[parent])
            {
                open.Enqueue(child.Pid);
                if (child.State is not 'Z' and not 'X')
                {
                    found.Add(new ProcessIdentity(child.Pid, child.StartTicks, ProcessIdentity.CurrentBootId));
                }
            }
        }

        return found;
    }

    /// <summary>Reaps one child that has ended, whichever it is, without waiting.</summary>
    /// <param name="pid">A child that is nobody else's to reap.</param>
    /// <returns>Whether it was reaped.</returns>
    public static bool Reap(int pid)
    {
        const int DoNotHang = 1;
        return Libc.WaitPid(pid, out _, DoNotHang) == pid;
    }

    /// <summary>Reaps the orphans that were handed to us and have ended; children that somebody here waits for are
    /// left alone.</summary>
    /// <param name="isOurs">Whether a pid is one that a <see cref="ChildProcess"/> waits for.</param>
    /// <remarks>One of ours that has just ended hides those behind it until it is reaped; so call this again from
    /// time to time.</remarks>
    public static unsafe int ReapOrphans(Func<int, bool> isOurs)
    {
        ArgumentNullException.ThrowIfNull(isOurs);
        const int AnyChild = 0;
        const int LookWithoutHanging = 0x01000000 | 4 | 1; // WNOWAIT | WEXITED | WNOHANG
        const int PidInDetails = 4; // siginfo_t.si_pid, counted in ints
        const int DetailInts = 32;
        var details = stackalloc int[DetailInts];
        for (var reaped = 0; ; reaped++)
        {
            details[PidInDetails] = 0;
            var found = Libc.WaitId(AnyChild, 0, details, LookWithoutHanging) == 0 ? details[PidInDetails] : 0;
            if (found == 0 || isOurs(found) || !Reap(found))
            {
                return reaped;
            }
        }
    }

    /// <summary>The ended but unreaped children of a process.</summary>
    public static IReadOnlyList<int> ZombiesOf(int parent) =>
        [.. Snapshot().Where(stat => stat.Parent == parent && stat.State == 'Z').Select(stat => stat.Pid)];

    /// <summary>The live children of a process, the eldest first.</summary>
    public static IReadOnlyList<ProcessIdentity> ChildrenOf(int parent) =>
        [.. Snapshot().Where(stat => stat.Parent == parent && stat.State is not 'Z' and not 'X')
            .OrderBy(stat => stat.StartTicks).ThenBy(stat => stat.Pid)
            .Select(stat => new ProcessIdentity(stat.Pid, stat.StartTicks, ProcessIdentity.CurrentBootId))];

    private static List<ProcessStat> Snapshot()
    {
        var all = new List<ProcessStat>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && ProcessIdentity.ReadStat(pid) is { } stat)
            {
                all.Add(stat);
            }
        }

        return all;
    }
}
