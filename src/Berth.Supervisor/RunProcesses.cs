using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>The processes of the run: all our descendants, for we are their reaper.</summary>
internal sealed class RunProcesses(
    CgroupMembership cgroups, ChildUser? user, FilterWay filter, TimeProvider time)
{
    internal const int Terminate = 15;
    internal const int Kill = 9;
    private const int Stop = 19;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    private readonly Lock gate = new();
    private readonly List<ChildProcess> own = [];

    /// <summary>Kills all descendants once, without looking after them: for a supervisor that is itself
    /// broken.</summary>
    internal static void KillEverything()
    {
        foreach (var process in ProcessTree.DescendantsOf(Environment.ProcessId))
        {
            _ = process.Signal(Kill);
        }
    }

    /// <summary>Starts a child that waits for itself, under the limits of the run, as its user and with its filter.
    /// Only the main thread may call this.</summary>
    /// <exception cref="Berth.Protocol.FailureException"><c>cgroup_refused</c>.</exception>
    internal ChildProcess Start(ChildProcessStart start)
    {
        lock (gate)
        {
            using var handed = filter == FilterWay.ByWrapper ? AgentFilter.Open() : null;
            var confined = start with
            {
                User = user,
                Mask = FileMask.Usual,
                Filter = filter == FilterWay.BySupervisor ? AgentFilter.Program : default,
                Handed = handed,
            };

            // Inside the lock, so that a child that ends at once is never taken for an orphan.
            var child = ChildProcess.Start(confined, cgroups.Inside);
            own.Add(child);
            return child;
        }
    }

    /// <summary>Reaps the orphans that were handed to us and have ended.</summary>
    internal void Reap()
    {
        lock (gate)
        {
            _ = own.RemoveAll(child => child.Exit.IsCompleted);
            _ = ProcessTree.ReapOrphans(pid => own.Exists(child => child.Id == pid));
        }
    }

    /// <summary>Signals the agent itself, which stands so many levels below the started process.</summary>
    internal static void SignalAgent(ChildProcess started, int wrappers, int signal)
    {
        var chain = Chain(started.Id, wrappers);
        if (chain.Count > wrappers && wrappers > 0)
        {
            _ = chain[wrappers].Signal(signal);
        }
        else
        {
            // Without a wrapper, or where the wrapper has not got as far as its child yet.
            _ = started.Signal(signal);
        }
    }

    /// <summary>Signals every process of the run but the wrappers, which would take the rest with them.</summary>
    internal static void SignalAll(ChildProcess started, int wrappers, int signal)
    {
        var spared = Chain(started.Id, wrappers).Take(wrappers).ToHashSet();
        foreach (var process in ProcessTree.DescendantsOf(Environment.ProcessId))
        {
            if (!spared.Contains(process))
            {
                _ = process.Signal(signal);
            }
        }
    }

    /// <summary>Kills all descendants again and again until none is left or the time is over.</summary>
    /// <param name="bound">The time.</param>
    /// <param name="wrappers">How many wrappers the agent had. Whose namespace has an init of its own never becomes
    /// our child, so a child of ours is then a wrapper that is just ending, and was no process of the agent's.</param>
    /// <returns>How many different ones the agent had left, and which are still there.</returns>
    internal (int Found, IReadOnlyList<ProcessIdentity> Left) KillAll(TimeSpan bound, int wrappers = 0)
    {
        var began = time.GetTimestamp();
        var seen = new HashSet<ProcessIdentity>();
        while (true)
        {
            Reap();
            // Looked at first: what ends in between must not be missed among the wrappers.
            var ending = wrappers == 0 ? [] : ProcessTree.ChildrenOf(Environment.ProcessId);
            var alive = ProcessTree.DescendantsOf(Environment.ProcessId);
            seen.UnionWith(alive.Except(ending));
            if (alive.Count == 0 || time.GetElapsedTime(began) > bound)
            {
                return (seen.Count, alive);
            }

            // Stopped first, so that a fork bomb does not make new ones while its processes are killed one by one.
            foreach (var signal in (int[])[Stop, Kill])
            {
                foreach (var process in alive)
                {
                    _ = process.Signal(signal);
                }
            }

            Thread.Sleep(Pause);
        }
    }

    // The eldest child is followed: bubblewrap's init adopts orphans, but its first child is the agent.
    private static List<ProcessIdentity> Chain(int started, int wrappers)
    {
        var chain = new List<ProcessIdentity>();
        for (var process = ProcessIdentity.Of(started); process is not null; )
        {
            chain.Add(process);
            if (chain.Count > wrappers)
            {
                break;
            }

            process = ProcessTree.ChildrenOf(process.Pid) is [var eldest, ..] ? eldest : null;
        }

        return chain;
    }
}
