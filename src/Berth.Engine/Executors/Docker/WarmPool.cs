using Berth.Engine.Docker;
using Berth.Engine.Processes;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>A warm container that is wanted.</summary>
/// <param name="Key">By which a run finds it.</param>
/// <param name="Shape">What it is made for.</param>
internal sealed record WantedSlot(string Key, ContainerShape Shape);

/// <summary>A slot that was removed, or would be.</summary>
/// <param name="Container">Its container's name.</param>
/// <param name="Leaked">What could not be removed.</param>
internal sealed record RemovedSlot(string Container, IReadOnlyList<string> Leaked);

/// <summary>Makes and removes the slots of a home.</summary>
/// <remarks>
/// Constraints: whoever does it holds the lock, and may be killed between any two lines. A slot is opened for runs when
/// it is whole, and closed before anything of it is removed, so what is found closed under the lock was left over. A
/// run that takes one asks nobody: what is removed here is never a run's.
/// </remarks>
internal sealed class WarmPool(
    DockerExecutorOptions options, WarmSlots slots, DockerClient docker, TimeProvider time)
{
    private const string Paused = "paused";

    // Another host makes one, which takes a second, or several on a loaded machine.
    private static readonly TimeSpan LockPatience = TimeSpan.FromMinutes(1);

    private readonly ContainerLabels labels = new(options.RunsFolder);
    private readonly RunFolders runs = new(options.RunsFolder);
    private readonly ContainerPlan plan = new(options, new ContainerLabels(options.RunsFolder));

    /// <summary>Removes what cannot be taken, and what is beyond the bound, and makes the slot that is wanted, where
    /// there is none of its kind.</summary>
    /// <param name="wanted">The slot, or null to make none.</param>
    /// <param name="most">How many may wait.</param>
    /// <param name="cancel">Gives it up.</param>
    /// <exception cref="FailureException"><c>warm_busy</c>, and what can be wrong with Docker.</exception>
    internal async Task RefillAsync(WantedSlot? wanted, int most, CancellationToken cancel)
    {
        if (most == 0 && !Known().Any())
        {
            return;
        }

        using var held = await HoldAsync(cancel);
        var containers = await ContainersAsync(cancel);
        await TidyAsync(containers, cancel);
        var image = wanted is null || most == 0 ? null : await Making.FindImageAsync(wanted.Shape.Policy, cancel);
        var isMissing = image is not null && !await HasAsync(wanted!, image, cancel);
        var waiting = slots.Waiting();
        foreach (var old in waiting.Take(waiting.Count + (isMissing ? 1 : 0) - most))
        {
            _ = await RemoveAsync(old.Name, cancel);
        }

        if (isMissing)
        {
            await MakeAsync(wanted!, image!, cancel);
        }
    }

    /// <summary>Removes all slots, or says which there are.</summary>
    /// <exception cref="FailureException"><c>warm_busy</c>.</exception>
    internal async Task<IReadOnlyList<RemovedSlot>> RemoveAllAsync(bool dryRun, CancellationToken cancel)
    {
        var isKnown = Directory.Exists(slots.Folder);
        if (!isKnown && labels.Owner is null)
        {
            return [];
        }

        using var held = isKnown ? await HoldAsync(cancel) : null;
        var strays = new List<string>();
        try
        {
            strays.AddRange(StraysAmong(await ContainersAsync(cancel)));
        }
        catch (FailureException)
        {
            // The daemon is down. The slots are known without it, and removing those says what it could not.
        }

        var removed = new List<RemovedSlot>();
        foreach (var slot in Known().Concat(strays).ToList())
        {
            var leaked = dryRun ? [] : await TryRemoveAsync(slot, cancel);
            removed.Add(new RemovedSlot(ContainerLabels.WarmNameOf(slot), leaked));
        }

        return removed;
    }

    private ContainerMaking Making => new(options, plan, docker);

    private async Task<LockFile> HoldAsync(CancellationToken cancel)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(slots.Folder, Private);
        return await LockFile.TakeAsync(slots.Lock, LockPatience, time, cancel) ?? throw new FailureException(
            "warm_busy",
            $"Warm containers were to be made or removed, and another process has held {slots.Lock} for more than "
                + $"{LockPatience.TotalSeconds:0} s.",
            "It is done when the next run has ended, or by `berth cleanup --all`.",
            Fault.Nobody);
    }

    // By slot; only those that are no run's.
    private async Task<IReadOnlyDictionary<string, ContainerListing>> ContainersAsync(CancellationToken cancel)
    {
        var all = labels.Owner is { } owner
            ? await docker.ListAsync($"{ContainerLabels.Home}={owner}", cancel)
            : [];
        return (
            from container in all
            let slot = ContainerLabels.SlotOf(container)
            where slot is not null
            select (slot, container)).ToDictionary(pair => pair.slot, pair => pair.container, StringComparer.Ordinal);
    }

    private async Task TidyAsync(
        IReadOnlyDictionary<string, ContainerListing> containers, CancellationToken cancel)
    {
        var dead = slots.Waiting().Select(slot => slot.Name)
            .Where(slot => containers.GetValueOrDefault(slot)?.State is not Paused);
        foreach (var slot in dead.Concat(slots.Unusable()).Concat(StraysAmong(containers)).ToList())
        {
            _ = await RemoveAsync(slot, cancel);
        }
    }

    private IEnumerable<string> Known() => slots.Waiting().Select(slot => slot.Name).Concat(slots.Unusable());

    // A slot that was taken is known to its run until that has begun, and then has the run's name.
    private IEnumerable<string> StraysAmong(IReadOnlyDictionary<string, ContainerListing> containers)
    {
        var strays = containers.Keys.Except(Known(), StringComparer.Ordinal).ToList();
        var taken = strays.Count == 0 ? [] : runs.RunIds.Select(runs.Of).Where(WarmSlot.IsIn)
            .Select(run => WarmSlot.Of(run)?.ContainerId).ToHashSet(StringComparer.Ordinal);
        return strays.Where(slot => !taken.Contains(containers[slot].Id));
    }

    // Whether one of the kind waits. One with the same key that is of another kind would serve no run any more.
    private async Task<bool> HasAsync(WantedSlot wanted, ImageDetails image, CancellationToken cancel)
    {
        var has = false;
        foreach (var slot in slots.Waiting().Where(
            slot => string.Equals(slot.Record.Key, wanted.Key, StringComparison.Ordinal)))
        {
            var order = plan.Order(new WantedContainer(slot.Directory, null, wanted.Shape, image), slot.Record.Git);
            var text = WarmSlot.OrderOf(slot.Directory.Root, order, options.SupervisorPath);
            if (string.Equals(text, slot.Record.Order, StringComparison.Ordinal))
            {
                has = true;
                continue;
            }

            _ = await RemoveAsync(slot.Name, cancel);
        }

        return has;
    }

    private async Task MakeAsync(WantedSlot wanted, ImageDetails image, CancellationToken cancel)
    {
        foreach (var mount in wanted.Shape.Policy.Mounts.Concat(wanted.Shape.Policy.ExtraMounts))
        {
            ContainerUsers.CheckReadable(mount);
        }

        var slot = Guid.NewGuid().ToString("N")[..12];
        var directory = slots.Make(slot);
        try
        {
            ContainerPlan.MakeFolders(directory);
            var container = new WantedContainer(directory, null, wanted.Shape, image);
            var (id, git) = await Making.CreateAsync(ContainerLabels.WarmNameOf(slot), container, captures: true);
            if (await docker.StartAsync(id, cancel) is { } why)
            {
                throw ContainerFailures.NotStarted(wanted.Shape.Policy.Image ?? options.Image, why);
            }

            await UntilWaitingAsync(directory, id, cancel);
            await docker.PauseAsync(id, cancel);
            var order = WarmSlot.OrderOf(directory.Root, plan.Order(container, git), options.SupervisorPath);
            new WarmSlot(wanted.Key, order, id, git, time.GetUtcNow()).Write(directory);
            slots.Open(slot);
        }
        catch
        {
            _ = await TryRemoveAsync(slot, CancellationToken.None);
            throw;
        }
    }

    // The supervisor makes its log when it has taken its place, and then does nothing but wait.
    private async Task UntilWaitingAsync(RunDirectory directory, string id, CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        while (!File.Exists(directory.SupervisorLog))
        {
            var status = (await docker.FindAsync(id, cancel))?.State;
            if (status is not { Running: true })
            {
                throw ContainerFailures.DiedAtStart(directory, status);
            }

            if (time.GetElapsedTime(started) > options.StartLimit)
            {
                throw ContainerFailures.Late(directory, options.StartLimit);
            }

            await Task.Delay(LaunchPause.After(time.GetElapsedTime(started)), time, cancel);
        }
    }

    private async Task<IReadOnlyList<string>> TryRemoveAsync(string slot, CancellationToken cancel)
    {
        try
        {
            return await RemoveAsync(slot, cancel);
        }
        catch (FailureException failed)
        {
            return [$"container {ContainerLabels.WarmNameOf(slot)}: {failed.Failure.Message}"];
        }
    }

    private async Task<IReadOnlyList<string>> RemoveAsync(string slot, CancellationToken cancel)
    {
        if (!slots.Close(slot))
        {
            return [];
        }

        // By its name: under another one it is a run's.
        var name = ContainerLabels.WarmNameOf(slot);
        return await docker.RemoveAsync(name, cancel)
            ? SafeDeletion.Remove(slots.Folder, [Path.GetFileName(slots.ClosedOf(slot).Root)], cancel)
            : [$"container {name}: it is still being removed"];
    }
}
