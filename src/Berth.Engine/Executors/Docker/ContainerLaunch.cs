using Berth.Engine.Docker;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Docker;

/// <summary>Makes a run's container, starts it once, and waits until it can be found again by anyone.</summary>
internal sealed class ContainerLaunch(
    DockerExecutorOptions options, ContainerLabels labels, DockerClient docker, TimeProvider time)
{
    private static readonly TimeSpan DaemonLag = TimeSpan.FromSeconds(2);

    private readonly ContainerPlan plan = new(options, labels);

    /// <summary>Starts the run's container, or finds the one that another host has started before it died.</summary>
    /// <exception cref="FailureException">It could not be started; nothing of it runs.</exception>
    internal async Task<ExecutionHandle> StartAsync(
        RunDirectory run, ExecutionSpec spec, CancellationToken cancellation)
    {
        ExecutionChecks.Check(run, spec);
        if (!File.Exists(options.SupervisorPath))
        {
            throw new FailureException(Missing.Supervisor(options.SupervisorPath));
        }

        var name = ContainerLabels.NameOf(spec.RunId);
        var container = await docker.FindAsync(name, cancellation);
        if (container is not null && !labels.IsOurs(container, spec.RunId))
        {
            throw ContainerFailures.NameTaken(name);
        }

        if (container is { State.Status: "created" })
        {
            // Its host died before it was started; what it was made of may have changed since.
            _ = await docker.RemoveAsync(container.Id, cancellation);
            container = null;
        }

        // From here on no token counts: an execution is started whole or not at all.
        return container is null || IsWaiting(run, container)
            ? await BeginAsync(run, spec, name, cancellation)
            : await UntilBegunAsync(run, container.Id);
    }

    /// <summary>Whether a container is one that waited for its run, and waits still: its host died before it let it go
    /// on.</summary>
    internal static bool IsWaiting(RunDirectory run, ContainerDetails container) =>
        ExecutionRecords.Handle(run) is null
        && string.Equals(WarmSlot.Of(run)?.ContainerId, container.Id, StringComparison.Ordinal)
        && (container.State.Paused || !File.Exists(run.SpecFile));

    private async Task<ExecutionHandle> BeginAsync(
        RunDirectory run, ExecutionSpec spec, string name, CancellationToken cancellation)
    {
        var making = new ContainerMaking(options, plan, docker);
        var image = await making.FindImageAsync(spec.Policy, cancellation);
        foreach (var mount in spec.Policy.Mounts.Concat(spec.Policy.ExtraMounts))
        {
            ContainerUsers.CheckReadable(mount);
        }

        ContainerPlan.MakeFolders(run);
        ContainerUsers.GiveFolders(run);
        var warm = await new WarmAdoption(options, labels, plan, docker, time).AdoptAsync(run, spec, image);
        var wanted = new WantedContainer(run, spec.RunId, ContainerShape.Of(spec), image);
        var (id, git) = warm ?? await making.CreateAsync(name, wanted, captures: spec.Capture is not null);
        try
        {
            ExecutionRecords.WriteSpec(run, ContainerPlan.Orders(spec, image, git));
            await LetGoAsync(id, isPaused: warm is not null, spec.Policy.Image ?? options.Image);
            return await UntilBegunAsync(run, id);
        }
        catch (FailureException)
        {
            await RemoveAsync(run, id);
            throw;
        }
    }

    private async Task LetGoAsync(string id, bool isPaused, string image)
    {
        if (isPaused)
        {
            await docker.UnpauseAsync(id, CancellationToken.None);
        }
        else if (await docker.StartAsync(id, CancellationToken.None) is { } why)
        {
            throw ContainerFailures.NotStarted(image, why);
        }
    }

    private async Task<ExecutionHandle> UntilBegunAsync(RunDirectory run, string id)
    {
        var started = time.GetTimestamp();
        var container = await RecordAsync(run, id);
        while (true)
        {
            var isAlive = container.Supervisor.IsAlive;
            if (ContainerRecord.Handle(run) is { } handle)
            {
                return handle;
            }

            if (!isAlive)
            {
                var status = (await docker.FindAsync(id, CancellationToken.None))?.State;
                throw ContainerFailures.DiedAtStart(run, status);
            }

            if (time.GetElapsedTime(started) > options.StartLimit)
            {
                throw ContainerFailures.Late(run, options.StartLimit);
            }

            await Task.Delay(LaunchPause.After(time.GetElapsedTime(started)), time);
        }
    }

    private async Task<ContainerRecord> RecordAsync(RunDirectory run, string id)
    {
        var began = time.GetTimestamp();
        while (true)
        {
            var container = await docker.FindAsync(id, CancellationToken.None);
            var supervisor = container is { State.Pid: > 0 } ? ProcessIdentity.Of(container.State.Pid) : null;

            // It may be over before it can be looked at, and has written how it ended by then.
            if (container is not null && (supervisor is not null || File.Exists(run.ExitFile)))
            {
                var record = new ContainerRecord(id, container.Image, supervisor ?? ContainerRecord.Nobody);
                record.Write(run);
                return record;
            }

            if (container is not { State.Running: true })
            {
                throw ContainerFailures.DiedAtStart(run, container?.State);
            }

            // The daemon sees an end a moment after the kernel. What goes on is a process of another machine.
            if (time.GetElapsedTime(began) > DaemonLag)
            {
                throw ContainerFailures.NotHere(docker.Endpoint);
            }

            await Task.Delay(LaunchPause.After(time.GetElapsedTime(began)), time);
        }
    }

    // A start that failed leaves nothing behind, and no record by which it would be taken for one that was.
    private async Task RemoveAsync(RunDirectory run, string id)
    {
        try
        {
            _ = await docker.RemoveAsync(id, CancellationToken.None);
        }
        catch (FailureException)
        {
            // Then it is found by its label, and clean-up names it.
        }

        ContainerRecord.Delete(run);
        File.Delete(run.SpecFile);
    }
}
