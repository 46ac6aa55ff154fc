using System.Globalization;
using System.Text;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>Finds the processes of a run without asking its supervisor, which may be dead.</summary>
/// <remarks>
/// Each of them was given the run's id in its environment. In a sandbox nothing is left when the supervisor dies, for
/// the namespace dies with it; without one, a process that has emptied its environment and left the group of the run
/// cannot be told from others.
/// </remarks>
internal static class RunProcesses
{
    /// <summary>The variable that every process of a run has.</summary>
    internal const string Variable = "BERTH_RUN_ID";

    private const int Kill = 9;

    // An environment may have megabytes. Ours stands in the first part of it, for the supervisor's and the agent's
    // are our own.
    private const int EnvironmentBytes = 128 * 1024;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>The live processes of every run, by run id.</summary>
    internal static ILookup<string, ProcessIdentity> All()
    {
        var found = new List<(string RunId, ProcessIdentity Process)>();
        var buffer = new byte[EnvironmentBytes];
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            // The identity is taken first: if the number is given to another process meanwhile, the signal will not
            // reach that one.
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                && pid != Environment.ProcessId
                && ProcessIdentity.Of(pid) is { } process
                && RunIdOf(folder, buffer) is { } runId)
            {
                found.Add((runId, process));
            }
        }

        return found.ToLookup(pair => pair.RunId, pair => pair.Process, StringComparer.Ordinal);
    }

    /// <summary>Kills everything that is left of a run, until nothing is found any more.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="others">Finds what hides from the environment: in control groups, for example.</param>
    /// <param name="time">The clock.</param>
    /// <param name="bound">How long to try.</param>
    /// <returns>How many were killed, and what would not die.</returns>
    internal static async Task<Killed> KillAllAsync(
        string runId, Func<IEnumerable<ProcessIdentity>> others, TimeProvider time, TimeSpan bound)
    {
        var killed = new HashSet<ProcessIdentity>();
        var started = time.GetTimestamp();
        while (true)
        {
            // One that is ending has lost its environment before it is dead.
            List<ProcessIdentity> left = [.. All()[runId].Union(others()).Union(killed.Where(one => one.IsAlive))];
            if (left.Count == 0 || time.GetElapsedTime(started) > bound)
            {
                return new Killed(killed.Count, [.. left.Select(Describe)]);
            }

            foreach (var process in left)
            {
                process.Signal(Kill);
                killed.Add(process);
            }

            await Task.Delay(Pause, time);
        }
    }

    private static string Describe(ProcessIdentity process) =>
        string.Create(CultureInfo.InvariantCulture, $"process {process.Pid}: SIGKILL did not end it");

    // One that is gone, or another user's, or the kernel's own, is none of ours.
    private static string? RunIdOf(string folder, byte[] buffer)
    {
        using var file = Descriptor.TryOpen(Path.Combine(folder, "environ"));
        var size = 0;
        while (file is not null && size < buffer.Length
            && Descriptor.Read(file, buffer.AsSpan(size)) is > 0 and var read)
        {
            size += read;
        }

        return Value(buffer.AsSpan(0, size));
    }

    private static string? Value(ReadOnlySpan<byte> environment)
    {
        var wanted = Encoding.ASCII.GetBytes($"{Variable}=");
        foreach (var range in environment.Split((byte)0))
        {
            if (environment[range].StartsWith(wanted))
            {
                return Encoding.UTF8.GetString(environment[range][wanted.Length..]);
            }
        }

        return null;
    }
}

/// <summary>What a killing came to.</summary>
/// <param name="Count">How many processes were sent SIGKILL.</param>
/// <param name="Leaked">Those that did not end.</param>
internal sealed record Killed(int Count, IReadOnlyList<string> Leaked);
