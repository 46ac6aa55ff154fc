using System.Globalization;

namespace Berth.Protocol.Posix;

/// <summary>The descendants of one process, found by the parents that <c>/proc</c> names.</summary>
/// <remarks>
/// With <see cref="BecomeSubreaper"/> nothing escapes: a daemon that forks twice and starts a session of its own is handed to the
/// reaper and is found again. A process in a pid namespace is seen here by its outer number.
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

    /// <summary>The ended but unreaped children of a process.</summary>
    public static IReadOnlyList<int> ZombiesOf(int parent) =>
        [.. Snapshot().Where(stat => stat.Parent == parent && stat.State == 'Z').Select(stat => stat.Pid)];

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
