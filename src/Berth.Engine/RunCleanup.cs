using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Which runs to clean up: one, or the ended ones, all or those of an age.</summary>
/// <param name="RunId">One run, by its whole id.</param>
/// <param name="OlderThan">Those that ended at least so long ago; null for all that ended.</param>
internal sealed record CleanupSelection(string? RunId = null, TimeSpan? OlderThan = null);

/// <summary>What clean-up removed, or would remove.</summary>
internal sealed record CleanupReport(bool DryRun, IReadOnlyList<CleanedRun> Runs)
{
    /// <summary>Bytes freed, or to be freed, as the files' lengths add up.</summary>
    public long Bytes { get; init; } = Runs.Sum(run => run.Bytes);

    /// <summary>The warm containers that were removed, or would be: all that wait, where all is cleaned up.</summary>
    public IReadOnlyList<RemovedSlot> Warm { get; init; } = [];
}

/// <summary>One run's part of it.</summary>
/// <param name="RunId">The run; it may be one that no record knows.</param>
/// <param name="Paths">What was there.</param>
/// <param name="Bytes">How much that was.</param>
/// <param name="Leaked">What could not be removed.</param>
internal sealed record CleanedRun(string RunId, IReadOnlyList<string> Paths, long Bytes, IReadOnlyList<string> Leaked);

/// <summary>
/// Removes what ended runs still have: kept workspaces, repositories of their own, pins in mirrors, leaks of earlier
/// clean-ups, and what no run remembers.
/// </summary>
/// <remarks>Records and transcripts stay, and branches in the user's repositories and in mirrors.</remarks>
internal sealed class RunCleanup(
    RunStore runs, RunDirectories directories, RepositoryWorkspaces workspaces, ExecutorFactory executors,
    WarmPool pool, TimeProvider time)
{
    // A directory without a record may belong to a run that is just being created.
    private static readonly TimeSpan OrphanAge = TimeSpan.FromHours(1);
    private static readonly string[] Modes = ["local", "docker"];
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(1);

    /// <summary>Cleans up, or only says what it would do.</summary>
    /// <exception cref="FailureException"><c>run_not_final</c>: the one run named is still at work.</exception>
    public async Task<CleanupReport> RunAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel)
    {
        var owned = await OwnedAsync(cancel);
        var cleaned = new List<CleanedRun>();
        var ids = owned.Select(group => group.Key).Union(directories.Ids(), StringComparer.Ordinal);
        foreach (var id in ids.Order(StringComparer.Ordinal))
        {
            if (!IsSelected(id, selection, out var run))
            {
                continue;
            }

            IReadOnlyList<string> paths =
            [
                .. owned[id].SelectMany(found => found.Residue), .. RepositoryWorkspaces.OwnOf(directories.Of(id)),
                .. Conversations.ExpiredOf(directories.Of(id), time.GetUtcNow()), .. directories.KeptSecrets(id),
            ];
            var isPinned = run?.Progress is { Workspace: not null, Released: false };
            if (paths.Count == 0 && !isPinned)
            {
                continue;
            }

            var bytes = paths.Sum(SizeOf);
            var leaked = dryRun ? [] : await CleanAsync(ExecutorOf(run, owned[id]), id, run, cancel);
            if (paths.Count + leaked.Count > 0)
            {
                // A pin alone is a name in the mirror: nothing that anybody would miss.
                cleaned.Add(new CleanedRun(id, paths, bytes, leaked));
            }
        }

        var isAll = selection is { RunId: null, OlderThan: null };
        return new CleanupReport(dryRun, cleaned)
        {
            Warm = isAll ? await pool.RemoveAllAsync(dryRun, cancel) : [],
        };
    }

    // What is there, by run, and the executor whose it is.
    private async Task<ILookup<string, (IExecutor Executor, IReadOnlyList<string> Residue)>> OwnedAsync(
        CancellationToken cancel)
    {
        var owned = new List<(string RunId, IExecutor Executor, IReadOnlyList<string> Residue)>();
        foreach (var executor in Modes.Select(mode => executors.CreateExecutor(mode, "berth cleanup").Executor))
        {
            owned.AddRange(
                from execution in await executor.ListOwnedAsync(cancel)
                select (execution.RunId, executor, execution.Residue));
        }

        return owned.ToLookup(
            found => found.RunId, found => (found.Executor, found.Residue), StringComparer.Ordinal);
    }

    // A run that nobody remembers is cleaned up after by who has found it; of several, by who knows of its container.
    private IExecutor ExecutorOf(
        RunRecord? run, IEnumerable<(IExecutor Executor, IReadOnlyList<string> Residue)> found) =>
        run is null
            ? found.Select(one => one.Executor).LastOrDefault()
                ?? executors.CreateExecutor(Modes[0], "berth cleanup").Executor
            : executors.CreateExecutor(run.Plan.Mode, "the run's record").Executor;

    private bool IsSelected(string id, CleanupSelection selection, out RunRecord? run)
    {
        run = null;
        if (selection.RunId is { } named && !string.Equals(named, id, StringComparison.Ordinal))
        {
            return false;
        }

        run = runs.Find(id);
        if (selection.RunId is not null)
        {
            return run is not { State: var state } || state.IsFinal()
                ? true
                : throw new FailureException(
                    "run_not_final",
                    $"The run {id} is still at work.",
                    $"berth cancel {id} stops it.",
                    Fault.User);
        }

        if (run is null)
        {
            return time.GetUtcNow().UtcDateTime - Directory.GetLastWriteTimeUtc(directories.Of(id).Root) > OrphanAge;
        }

        return run.State.IsFinal() && time.GetUtcNow() - run.FinishedAt >= (selection.OlderThan ?? TimeSpan.Zero);
    }

    private async Task<IReadOnlyList<string>> CleanAsync(
        IExecutor executor, string id, RunRecord? run, CancellationToken cancel)
    {
        if (!Directory.Exists(directories.Of(id).Root))
        {
            // A container whose run directory is gone has no host either.
            return await executor.CleanUpAsync(id, keepWorkspace: false, cancel);
        }

        using var held = await LockFile.TakeAsync(directories.HostLock(id), LockPatience, time, cancel);
        if (held is null)
        {
            return [$"{directories.Of(id).Root} (its host is at work)"];
        }

        var leaked = await executor.CleanUpAsync(id, keepWorkspace: false, cancel);

        // Its host may have come to its end since it was looked at.
        run = run is null ? null : runs.Find(id);
        if (run is null)
        {
            directories.Remove(id);
            return leaked;
        }

        leaked = [.. leaked, .. RepositoryWorkspaces.RemoveOwn(directories.Of(id))];
        directories.ForgetSecrets(id);
        foreach (var expired in Conversations.ExpiredOf(directories.Of(id), time.GetUtcNow()))
        {
            File.Delete(expired);
        }

        if (run.Progress.Workspace is { } prepared)
        {
            await workspaces.ReleaseAsync(prepared.Run, cancel);
        }

        runs.SaveProgress(id, run.Progress with { Leaked = leaked, Released = true });
        runs.SetCleanup(id, leaked.Count == 0 ? CleanupState.Done : CleanupState.Leaked);
        return leaked;
    }

    private static long SizeOf(string path)
    {
        var found = new FileInfo(path);
        if (found.LinkTarget is not null || (!found.Exists && !Directory.Exists(path)))
        {
            return 0;
        }

        var everything =
            new EnumerationOptions
            {
                RecurseSubdirectories = true,
                AttributesToSkip = FileAttributes.ReparsePoint,
                IgnoreInaccessible = true
            };
        return found.Exists
            ? found.Length
            : new DirectoryInfo(path).EnumerateFiles("*", everything).Sum(file => file.Length);
    }
}
