using System.Collections.Concurrent;

namespace Berth.Engine.Executors;

/// <summary>Probes that succeeded a moment ago, for a server to which requests come one after the other.</summary>
/// <remarks>
/// A probe starts the CLI in a sandbox, which takes longer than all the rest of a submission. What worked seconds ago
/// works: who asks then gets that answer, and once it is no longer new another probe is begun beside him. One that
/// failed is never kept, so what has been mended is seen at once.
/// </remarks>
internal sealed class RecentProbes(TimeProvider time)
{
    // Requests that come at the rate of a loop cost one probe in so long.
    private static readonly TimeSpan New = TimeSpan.FromSeconds(5);

    // After this who asks waits for a probe of his own. A run that is accepted although the machine has just lost what
    // it needs ends with the same code when it is started.
    private static readonly TimeSpan Oldest = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<Subject, Known> succeeded = new();

    /// <summary>The executor's report, or the one of a moment ago.</summary>
    public async Task<ExecutorProbe> ProbeAsync(
        IExecutor executor, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        var subject = new Subject(executor.Mode, policy.Sandbox, policy.Image, claudeBinary);
        if (succeeded.TryGetValue(subject, out var known) && time.GetElapsedTime(known.At) < Oldest)
        {
            if (time.GetElapsedTime(known.At) > New && known.TryBeginRenewal())
            {
                // Nobody waits for it, so nobody's leaving ends it; each of its steps has a bound of its own.
                _ = NoteAsync(executor.ProbeAsync(policy, claudeBinary, CancellationToken.None), subject);
            }

            return known.Probe;
        }

        return await NoteAsync(executor.ProbeAsync(policy, claudeBinary, cancel), subject);
    }

    private async Task<ExecutorProbe> NoteAsync(Task<ExecutorProbe> probing, Subject subject)
    {
        // What was already lacking when it began is not known by its end.
        var began = time.GetTimestamp();
        var isGood = false;
        try
        {
            var probe = await probing;
            isGood = probe.Ok;
            if (isGood)
            {
                succeeded[subject] = new Known(probe, began);
            }

            return probe;
        }
        finally
        {
            if (!isGood)
            {
                succeeded.TryRemove(subject, out _);
            }
        }
    }

    // All that a probe looks at; what else a policy has is not tried by it.
    private sealed record Subject(string Mode, SandboxKind Sandbox, string? Image, string? ClaudeBinary);

    private sealed class Known(ExecutorProbe probe, long at)
    {
        private int renewals;

        public ExecutorProbe Probe => probe;

        public long At => at;

        public bool TryBeginRenewal() => Interlocked.Exchange(ref renewals, 1) == 0;
    }
}
