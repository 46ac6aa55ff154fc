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
internal sealed record CleanupSelection(string? RunId = null, TimeSpan? OlderThan = null)
{
    /// <summary>Only the oldest, until what all ended runs hold together is at most so much, in bytes; null for all.
    /// Artefacts and conversations count and go.</summary>
    public long? MostBytes { get; init; }

    /// <summary>What is removed of each.</summary>
    public CleanupExtent Extent { get; init; }

    /// <summary>Whether nobody waits for it: then it ends between two runs when it is to end.</summary>
    public bool IsByItself { get; init; }
}

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
/// clean-ups, artefacts whose time is over, and what no run remembers.
/// </summary>
/// <remarks>
/// Records and transcripts stay, and branches in the user's repositories and in mirrors. What is said to go is what
/// goes: the same code finds it for both, and bytes are counted before and after, under the run's lock, so that of two
/// clean-ups at once one has each of them.
/// </remarks>
internal sealed class RunCleanup(
    RunStore runs, RunDirectories directories, RepositoryWorkspaces workspaces, ExecutionPlaces places,
    RetentionOptions retention, TimeProvider time)
{
    // A directory without a record may belong to a run that is just being created.
    private static readonly TimeSpan OrphanAge = TimeSpan.FromHours(1);
    private static readonly string[] Modes = ["local", "docker"];

    // Who has the lock of a run that is over is another clean-up, and that ends.
    private static readonly TimeSpan CleanupPatience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan HostPatience = TimeSpan.FromSeconds(1);

    /// <summary>Cleans up, or only says what it would do.</summary>
    /// <exception cref="FailureException"><c>run_not_final</c>: the one run named is still at work.</exception>
    public async Task<CleanupReport> RunAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel)
    {
        if (selection.MostBytes is not null)
        {
            selection = selection with { Extent = CleanupExtent.WithArtefacts };
        }

        var leavings = new RunLeavings(directories, retention, time, selection.Extent);
        var owned = await OwnedAsync(selection.Extent, cancel);
        var use = new DiskUse();
        var cleaned = new List<CleanedRun>();
        foreach (var id in Chosen(selection, owned, leavings))
        {
            if (selection.IsByItself && cancel.IsCancellationRequested)
            {
                // What was removed is to be told, and the rest can wait.
                break;
            }

            var found = dryRun
                ? Look(id, leavings, owned[id], use)
                : await CleanAsync(id, leavings, selection.Extent, owned[id], cancel);
            if (found is { Paths.Count: > 0 } or { Leaked.Count: > 0 })
            {
                cleaned.Add(found);
            }
        }

        var isAll = selection is { RunId: null, OlderThan: null, MostBytes: null, Extent: CleanupExtent.Usual };
        return new CleanupReport(dryRun, cleaned)
        {
            Warm = isAll ? await places.NewWarmPool().RemoveAllAsync(dryRun, cancel) : [],
        };
    }

    private List<string> Chosen(
        CleanupSelection selection, ILookup<string, Owned> owned, RunLeavings leavings)
    {
        var selected = owned.Select(group => group.Key).Union(directories.Ids(), StringComparer.Ordinal)
            .Order(StringComparer.Ordinal).Where(id => IsSelected(id, selection)).ToList();
        if (selection.MostBytes is not { } most)
        {
            return selected;
        }

        // Of one home that is more runs than fit into memory only if their records do not either.
        var use = new DiskUse();
        var held = (
            from id in selected
            let run = runs.Find(id)
            where run is not null
            orderby run.FinishedAt, run.CreatedAt
            select (Id: id, Bytes: use.Of(directories.Of(id).Root, leavings.NamesOf(id)))).ToList();
        var total = held.Sum(run => run.Bytes);
        var oldest = new List<string>();
        foreach (var (id, bytes) in held)
        {
            if (total <= most)
            {
                break;
            }

            oldest.Add(id);
            total -= bytes;
        }

        return oldest;
    }

    // What is there, by run, and the executor whose it is; artefacts are no executor's.
    private async Task<ILookup<string, Owned>> OwnedAsync(CleanupExtent extent, CancellationToken cancel)
    {
        var owned = new List<Owned>();
        var modes = extent == CleanupExtent.Expired ? [] : Modes;
        foreach (var executor in modes.Select(mode => places.Executors.CreateExecutor(mode, "berth cleanup").Executor))
        {
            owned.AddRange(
                from execution in await executor.ListOwnedAsync(cancel)
                select new Owned(execution.RunId, executor, execution.Residue));
        }

        return owned.ToLookup(found => found.RunId, StringComparer.Ordinal);
    }

    // A run that nobody remembers is cleaned up after by who has found it; of several, by who knows of its container.
    private IExecutor ExecutorOf(RunRecord? run, IEnumerable<Owned> found) =>
        run is null
            ? found.Select(one => one.Executor).LastOrDefault()
                ?? places.Executors.CreateExecutor(Modes[0], "berth cleanup").Executor
            : places.Executors.CreateExecutor(run.Plan.Mode, "the run's record").Executor;

    private bool IsSelected(string id, CleanupSelection selection)
    {
        if (selection.RunId is { } named && !string.Equals(named, id, StringComparison.Ordinal))
        {
            return false;
        }

        var run = runs.Find(id);
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
            return selection is { MostBytes: null, Extent: CleanupExtent.Usual }
                && time.GetUtcNow().UtcDateTime - Directory.GetLastWriteTimeUtc(directories.Of(id).Root) > OrphanAge;
        }

        // Nobody has looked at what is nowhere else, and nobody is asked now.
        if (selection is { IsByItself: true, Extent: not CleanupExtent.Expired } && run.Progress.IsUndelivered)
        {
            return false;
        }

        // What is still to be kept of one whose own clean-up is to come its host takes over first.
        return run.Cleanup != CleanupState.Pending
            && run.State.IsFinal() && time.GetUtcNow() - run.FinishedAt >= (selection.OlderThan ?? TimeSpan.Zero);
    }

    // What would go: what CleanAsync removes.
    private CleanedRun Look(string id, RunLeavings leavings, IEnumerable<Owned> owned, DiskUse use)
    {
        // Another clean-up would be waited for; of a host nobody knows what it will leave.
        var run = runs.Find(id);
        if (run is null or { Cleanup: CleanupState.Pending } && LockFile.IsHeld(directories.HostLock(id)))
        {
            return AtWork(id);
        }

        var place = PlaceOf(id, run, leavings);
        return new CleanedRun(id, PathsOf(place, owned), use.Of(place.Folder, place.Names), []);
    }

    private async Task<CleanedRun> CleanAsync(
        string id, RunLeavings leavings, CleanupExtent extent, IEnumerable<Owned> owned, CancellationToken cancel)
    {
        var executor = ExecutorOf(runs.Find(id), owned);
        if (!Directory.Exists(directories.Of(id).Root))
        {
            // A container whose run directory is gone has no host either.
            var nowhere = PlaceOf(id, run: null, leavings);
            return new CleanedRun(
                id, PathsOf(nowhere, owned), 0, await executor.CleanUpAsync(id, keepWorkspace: false, cancel));
        }

        LockFile? free;
        LockFile? taken;
        try
        {
            free = LockFile.TryTake(directories.HostLock(id));
            taken = free ?? await WaitAsync(id, cancel);
        }
        catch (DirectoryNotFoundException)
        {
            // Another clean-up was faster.
            return new CleanedRun(id, [], 0, []);
        }

        using var held = taken;
        if (held is null)
        {
            return AtWork(id);
        }

        // Its host, or another clean-up, may have come to its end since it was looked at.
        owned = free is null ? (await OwnedAsync(extent, cancel))[id] : owned;
        var run = runs.Find(id);
        var place = PlaceOf(id, run, leavings);
        var paths = PathsOf(place, owned);
        var isPinned = extent != CleanupExtent.Expired
            && run?.Progress is { Workspace: not null, Released: false };
        if (paths.Count == 0 && !isPinned)
        {
            return new CleanedRun(id, [], 0, []);
        }

        var before = new DiskUse().Of(place.Folder, place.Names);
        var leaked = extent == CleanupExtent.Expired
            ? []
            : await executor.CleanUpAsync(id, keepWorkspace: false, cancel);
        leaked = run is null ? RemoveStranger(id, place, leaked) : [.. leaked, .. leavings.RemoveOwn(id, place.Names)];
        var after = leaked.Count == 0 ? 0 : new DiskUse().Of(place.Folder, place.Names);
        if (run is not null && extent != CleanupExtent.Expired)
        {
            await RecordAsync(id, run, leaked, cancel);
        }

        return new CleanedRun(id, paths, before - after, leaked);
    }

    private Task<LockFile?> WaitAsync(string id, CancellationToken cancel) => LockFile.TakeAsync(
        directories.HostLock(id),
        runs.Find(id) is { Cleanup: not CleanupState.Pending } ? CleanupPatience : HostPatience,
        time,
        cancel);

    private CleanedRun AtWork(string id) => new(id, [], 0, [$"{directories.Of(id).Root} (its host is at work)"]);

    private async Task RecordAsync(string id, RunRecord run, IReadOnlyList<string> leaked, CancellationToken cancel)
    {
        var isReleased = run.Progress.Workspace is null;
        if (run.Progress.Workspace is { } prepared)
        {
            try
            {
                await workspaces.ReleaseAsync(prepared.Run, cancel);
                isReleased = true;
            }
            catch (OperationCanceledException)
            {
                // The files are gone, and that is told. The names in the mirror go with the next clean-up.
            }
        }

        runs.SaveProgress(
            id, run.Progress with { Leaked = leaked, Released = run.Progress.Released || isReleased });
        runs.SetCleanup(id, leaked.Count == 0 ? CleanupState.Done : CleanupState.Leaked);
    }

    // Of a run that no record knows the whole directory goes, and the link to it.
    private IReadOnlyList<string> RemoveStranger(string id, Place place, IReadOnlyList<string> leaked)
    {
        if (leaked.Count > 0)
        {
            return leaked;
        }

        leaked = SafeDeletion.Remove(place.Folder, place.Names, CancellationToken.None);
        var link = directories.Of(id).Root;
        if (new FileInfo(link).LinkTarget is not null)
        {
            File.Delete(link);
        }

        return leaked;
    }

    private Place PlaceOf(string id, RunRecord? run, RunLeavings leavings)
    {
        var root = directories.Of(id).Root;
        if (run is not null)
        {
            return new Place(root, leavings.NamesOf(id));
        }

        var real = new DirectoryInfo(root).LinkTarget ?? root;
        return new Place(Path.GetDirectoryName(real)!, Directory.Exists(real) ? [Path.GetFileName(real)] : []);
    }

    // The folders of a run are known from its directory; of what the executors say the rest counts.
    private IReadOnlyList<string> PathsOf(Place place, IEnumerable<Owned> owned) =>
    [
        .. from found in owned
           from residue in found.Residue
           where !residue.StartsWith(directories.Folder + "/", StringComparison.Ordinal)
           select residue,
        .. from name in place.Names
           select Path.Combine(place.Folder, name),
    ];

    /// <summary>What an executor has of a run.</summary>
    private sealed record Owned(string RunId, IExecutor Executor, IReadOnlyList<string> Residue);

    /// <summary>A folder, and the entries of it that go.</summary>
    private sealed record Place(string Folder, IReadOnlyList<string> Names);
}
