using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>Gives a run the warm container that its directory came with.</summary>
/// <remarks>
/// It has it only if a new one would be the same to the last mount; else the warm one is removed, and the run goes the
/// cold way in the same directory. So a warm run never differs from a cold one.
/// </remarks>
internal sealed class WarmAdoption(
    DockerExecutorOptions options, ContainerLabels labels, ContainerPlan plan, DockerClient docker, TimeProvider time)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan RemovalBound = TimeSpan.FromSeconds(10);

    /// <summary>Gives it the run's name. It stays paused.</summary>
    /// <returns>The container and its git, or null where the run needs a new one.</returns>
    internal async Task<(string Id, CaptureGit? Git)?> AdoptAsync(
        RunDirectory run, ExecutionSpec spec, ImageDetails image)
    {
        if (WarmSlot.Of(run) is not { } slot)
        {
            return null;
        }

        var container = await docker.FindAsync(slot.ContainerId, CancellationToken.None);
        var git = GitOf(slot, spec, image);
        if (container is { State.Paused: true } && IsSame(run, slot, spec, image, git)
            && await IsNamedAsync(container, spec.RunId))
        {
            return (slot.ContainerId, git);
        }

        await RemoveAsync(slot.ContainerId);
        WarmSlot.Delete(run);
        return null;
    }

    // A machine's git may have come to another place.
    private static CaptureGit? GitOf(WarmSlot slot, ExecutionSpec spec, ImageDetails image) =>
        spec.Capture is null ? null
        : CaptureGit.SaidBy(image) ?? (slot.Git is { Root: not null } ? CaptureGit.OfMachine : slot.Git);

    private bool IsSame(RunDirectory run, WarmSlot slot, ExecutionSpec spec, ImageDetails image, CaptureGit? git)
    {
        var order = plan.Order(new WantedContainer(run, null, ContainerShape.Of(spec), image), git);
        var text = WarmSlot.OrderOf(ContainerPlan.Real(run).Root, order, options.SupervisorPath);
        return string.Equals(text, slot.Order, StringComparison.Ordinal);
    }

    private async Task<bool> IsNamedAsync(ContainerDetails container, string runId) =>
        labels.IsOurs(container, runId)
        || (labels.IsWaiting(container)
            && await docker.RenameAsync(container.Id, ContainerLabels.NameOf(runId), CancellationToken.None));

    private async Task RemoveAsync(string id)
    {
        var started = time.GetTimestamp();
        while (!await docker.RemoveAsync(id, CancellationToken.None))
        {
            if (time.GetElapsedTime(started) > RemovalBound)
            {
                throw ContainerFailures.StillThere(id);
            }

            await Task.Delay(Pause, time);
        }
    }
}
