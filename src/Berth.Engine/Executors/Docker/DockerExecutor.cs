using Berth.Engine.Docker;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Docker;

/// <summary>Runs Claude in a container whose init is the supervisor, with the run directory mounted.</summary>
/// <remarks>
/// Constraints: those of the local executor; this object may be killed between any two lines, and a new one goes on.
/// A run has one container, whose name is made of the run id, so it is found without any record. While a container
/// lives its init is a process of this machine, and whether that lives is asked of the kernel: a daemon that is down
/// or hangs ends no run, and nothing that it says makes one a success. Only exit.json does.
/// </remarks>
internal sealed class DockerExecutor(
    DockerExecutorOptions options, DockerClient docker, JournalReader journals, TimeProvider time) : IExecutor
{
    /// <summary>The mode's name.</summary>
    internal const string ModeName = "docker";

    private const int Kill = 9;

    // A container that was sent SIGKILL ends at once, unless the kernel holds it.
    private static readonly TimeSpan KillBound = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly RunFolders folders = new(options.RunsFolder);
    private readonly ContainerLabels labels = new(options.RunsFolder);
    private readonly SupervisorControl control = new(time, options.ReplyLimit);

    /// <inheritdoc/>
    public string Mode => ModeName;

    /// <inheritdoc/>
    public Task<ExecutorProbe> ProbeAsync(
        ExecutionPolicy policy, string? claudeBinary, CancellationToken cancellation) =>
        new DockerProbe(options, docker).ProbeAsync(policy, claudeBinary, cancellation);

    /// <inheritdoc/>
    public ExecutionLayout LayOut(string runId, ExecutionPolicy policy, string claudeBinary) =>
        ContainerPlan.LayOut(claudeBinary);

    /// <inheritdoc/>
    public async Task<ExecutionHandle> ExecuteClaudeTaskAsync(ExecutionSpec spec, CancellationToken cancellation)
    {
        var run = folders.Of(spec.RunId);
        if (ContainerRecord.Handle(run) is { } started)
        {
            return started;
        }

        cancellation.ThrowIfCancellationRequested();
        return await new ContainerLaunch(options, labels, docker, time).StartAsync(run, spec, cancellation);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<JournalEntry> GetExecutionLogsAsync(
        string runId, long after, bool follow, CancellationToken cancellation)
    {
        var run = folders.Of(runId);
        return journals.ReadAsync(run, after, follow ? () => HasEnded(run) : null, cancellation);
    }

    /// <inheritdoc/>
    public async Task<bool> CancelExecutionAsync(string runId, bool force, CancellationToken cancellation)
    {
        var run = folders.Of(runId);
        if (await LiveAsync(runId, run, cancellation) is not { } supervisor)
        {
            return false;
        }

        var request = new ControlRequest { Verb = ControlVerb.Cancel, Force = force };
        var reply = await control.AskWhileAsync(run, request, () => IsLive(run), cancellation);
        var isUnpaused = reply is null && IsLive(run) && await UnpauseAsync(runId, cancellation);
        if (isUnpaused)
        {
            reply = await control.AskWhileAsync(run, request, () => IsLive(run), cancellation);
        }

        if (reply is { Ok: true })
        {
            return true;
        }

        if (!IsLive(run))
        {
            // What it was asked while it was paused it does as soon as it goes on, and may be gone for the answer.
            return isUnpaused;
        }

        if (!force)
        {
            throw SupervisorFailures.NotAnswering(runId, $"container {ContainerLabels.NameOf(runId)}");
        }

        await KillAsync(runId, supervisor, cancellation);
        return true;
    }

    /// <inheritdoc/>
    public Task SendAsync(string runId, ControlRequest request, CancellationToken cancellation)
    {
        var run = folders.Of(runId);
        return control.SendAsync(
            runId,
            run,
            request,
            () => IsLive(run) ? $"container {ContainerLabels.NameOf(runId)}" : null,
            cancellation);
    }

    /// <inheritdoc/>
    public async Task<RecoveredExecution> RecoverAsync(string runId, CancellationToken cancellation)
    {
        var run = folders.Of(runId);
        var found = await LookAsync(runId, run, cancellation);
        if (found.State != ExecutionState.Gone)
        {
            return found;
        }

        // With its init the container has died, so there is nothing to kill. What the daemon says of it is only told.
        ContainerDetails? container = null;
        var isKnown = false;
        try
        {
            container = await docker.FindAsync(ContainerLabels.NameOf(runId), cancellation);
            isKnown = true;
        }
        catch (FailureException)
        {
            // The daemon is down, which may be why the run is lost.
        }

        return found with
        {
            Failure = found.Rebooted ? SupervisorFailures.Rebooted
                : isKnown ? ContainerFailures.Lost(run, container) : SupervisorFailures.Died(run),
        };
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> CleanUpAsync(string runId, bool keepWorkspace, CancellationToken deadline)
    {
        var run = folders.Of(runId);
        await StopForGoodAsync(runId, run);
        var container = await RemoveContainersAsync(runId, run, deadline);
        if (ContainerRecord.Of(run)?.Supervisor is { IsAlive: true } supervisor
            && !(supervisor.Signal(Kill) && await UntilAsync(() => !supervisor.IsAlive, KillBound)))
        {
            // Nothing is taken away from under a run that could not be stopped.
            return container;
        }

        var names = OwnedExecutions.Removable(run, keepWorkspace);
        var files = await Task.Run(() => SafeDeletion.Remove(run.Root, names, deadline), CancellationToken.None);
        return [.. container, .. files];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<OwnedExecution>> ListOwnedAsync(CancellationToken cancellation)
    {
        var containers = await ContainersAsync(cancellation);
        var processes = RunProcesses.All();
        var owned = new List<OwnedExecution>();
        var ours = folders.RunIds.Where(runId => OwnedExecutions.ModeOf(folders.Of(runId)) is ModeName);
        foreach (var runId in ours.Union(containers.Select(pair => pair.Key), StringComparer.Ordinal))
        {
            var run = folders.Of(runId);
            IReadOnlyList<string> residue =
            [
                .. containers[runId].Select(id => $"container {id[..12]}"),
                .. OwnedExecutions.ResidueOf(run, [], processes[runId]),
            ];
            var state = Look(run)?.State ?? ExecutionState.NeverStarted;
            if (residue.Count > 0 || state == ExecutionState.Running)
            {
                owned.Add(new OwnedExecution(runId, state, residue));
            }
        }

        return owned;
    }

    // What the files and the kernel say; null where they say nothing of a start. The order matters: a supervisor that
    // ends between the two looks has written its record by then.
    private static RecoveredExecution? Look(RunDirectory run)
    {
        var container = ContainerRecord.Of(run);
        var alive = container?.Supervisor.IsAlive == true;
        var handle = ContainerRecord.Handle(run);
        if (ExecutionRecords.Exit(run) is { } exit)
        {
            return new RecoveredExecution(ExecutionState.Exited, handle, exit);
        }

        return container is null ? null
            : new RecoveredExecution(alive ? ExecutionState.Running : ExecutionState.Gone, handle)
            {
                Rebooted = IsOtherBoot(container.Supervisor),
            };
    }

    private static bool IsOtherBoot(ProcessIdentity process) =>
        !string.Equals(process.BootId, ProcessIdentity.CurrentBootId, StringComparison.Ordinal);

    private static bool IsLive(RunDirectory run) => Look(run)?.State == ExecutionState.Running;

    private static bool HasEnded(RunDirectory run) =>
        Look(run)?.State is ExecutionState.Exited or ExecutionState.Gone;

    // A host that died between a start and its record has left a container that is found by its name.
    private async Task<RecoveredExecution> LookAsync(string runId, RunDirectory run, CancellationToken cancellation)
    {
        if (Look(run) is { } known)
        {
            return known;
        }

        var begun = ExecutionRecords.Handle(run);
        if (begun is null && !File.Exists(run.SpecFile))
        {
            return new RecoveredExecution(ExecutionState.NeverStarted);
        }

        var container = await docker.FindAsync(ContainerLabels.NameOf(runId), cancellation);
        var isWaiting = container is not null && ContainerLaunch.IsWaiting(run, container);
        if (container is { State.Pid: > 0 } && !isWaiting && labels.IsOurs(container, runId)
            && ProcessIdentity.Of(container.State.Pid) is { } supervisor)
        {
            new ContainerRecord(container.Id, container.Image, supervisor).Write(run);
        }

        return Look(run) ?? (begun is null && (isWaiting || container is null or { State.Status: "created" })
            ? new RecoveredExecution(ExecutionState.NeverStarted)
            : new RecoveredExecution(ExecutionState.Gone, begun)
            {
                Rebooted = begun is not null && IsOtherBoot(begun.Supervisor),
            });
    }

    private async Task<ProcessIdentity?> LiveAsync(string runId, RunDirectory run, CancellationToken cancellation) =>
        await LookAsync(runId, run, cancellation) is { State: ExecutionState.Running }
            ? ContainerRecord.Of(run)?.Supervisor
            : null;

    private async Task<bool> UnpauseAsync(string runId, CancellationToken cancellation)
    {
        var name = ContainerLabels.NameOf(runId);
        if (await docker.FindAsync(name, cancellation) is not { State.Paused: true })
        {
            return false;
        }

        await docker.UnpauseAsync(name, cancellation);
        return true;
    }

    private async Task KillAsync(string runId, ProcessIdentity supervisor, CancellationToken cancellation)
    {
        try
        {
            _ = await UnpauseAsync(runId, cancellation);
            await docker.KillAsync(ContainerLabels.NameOf(runId), cancellation);
        }
        catch (FailureException) when (supervisor.Signal(Kill))
        {
            // The daemon would not, and the kernel has: with its init all of a container dies.
        }

        _ = await UntilAsync(() => !supervisor.IsAlive, KillBound);
    }

    private async Task StopForGoodAsync(string runId, RunDirectory run)
    {
        if (!IsLive(run) || ContainerRecord.Of(run) is not { Supervisor: var supervisor })
        {
            return;
        }

        var request = new ControlRequest { Verb = ControlVerb.Cancel, Force = true };
        var reply = await control.AskWhileAsync(run, request, () => IsLive(run), CancellationToken.None);
        var stop = ExecutionRecords.Spec(run)?.Stop ?? new StopPlan();
        if (reply is { Ok: true })
        {
            _ = await UntilAsync(() => !supervisor.IsAlive, stop.KillGrace + KillBound);
        }
    }

    private async Task<IReadOnlyList<string>> RemoveContainersAsync(
        string runId, RunDirectory run, CancellationToken deadline)
    {
        var warm = WarmSlot.Of(run);
        var isKnown = warm is not null || File.Exists(run.SpecFile) || ContainerRecord.Of(run) is not null
            || !Directory.Exists(run.Root);
        if (labels.Owner is null || !isKnown)
        {
            return [];
        }

        var name = ContainerLabels.NameOf(runId);
        try
        {
            var container = await docker.FindAsync(name, deadline);
            if (container is null && warm is not null)
            {
                container = await docker.FindAsync(warm.ContainerId, deadline);
            }

            if (container is null || !(labels.IsOurs(container, runId) || labels.IsWaiting(container)))
            {
                return [];
            }

            return await UntilAsync(() => docker.RemoveAsync(container.Id, deadline), KillBound)
                ? []
                : [$"container {name}: it is still being removed"];
        }
        catch (FailureException failed)
        {
            return [$"container {name}: {failed.Failure.Message}"];
        }
        catch (OperationCanceledException)
        {
            return [$"container {name}: the time for cleaning up was over"];
        }
    }

    private async Task<ILookup<string, string>> ContainersAsync(CancellationToken cancellation)
    {
        IReadOnlyList<ContainerListing> found = [];
        try
        {
            found = labels.Owner is { } owner
                ? await docker.ListAsync($"{ContainerLabels.Home}={owner}", cancellation)
                : [];
        }
        catch (FailureException)
        {
            // The daemon is down. The folders are known without it, and removing those says what it could not.
        }

        return found.Where(container => ContainerLabels.RunOf(container) is not null)
            .ToLookup(
                container => ContainerLabels.RunOf(container)!, container => container.Id, StringComparer.Ordinal);
    }

    private Task<bool> UntilAsync(Func<bool> condition, TimeSpan bound) =>
        UntilAsync(() => Task.FromResult(condition()), bound);

    private async Task<bool> UntilAsync(Func<Task<bool>> condition, TimeSpan bound)
    {
        var started = time.GetTimestamp();
        while (!await condition())
        {
            if (time.GetElapsedTime(started) > bound)
            {
                return false;
            }

            await Task.Delay(Pause, time);
        }

        return true;
    }
}
