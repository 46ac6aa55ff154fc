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
        return container is null
            ? await BeginAsync(run, spec, name, cancellation)
            : await UntilBegunAsync(run, container.Id);
    }

    private async Task<ExecutionHandle> BeginAsync(
        RunDirectory run, ExecutionSpec spec, string name, CancellationToken cancellation)
    {
        var wanted = spec.Policy.Image ?? options.Image;
        var image = await docker.FindImageAsync(wanted, cancellation)
            ?? throw new FailureException(ContainerFailures.ImageMissing(wanted, options.Image, docker.Endpoint));
        foreach (var mount in spec.Policy.Mounts.Concat(spec.Policy.ExtraMounts))
        {
            ContainerUsers.CheckReadable(mount);
        }

        ContainerPlan.Prepare(run);
        var (id, git) = await CreateAsync(run, spec, name, image);
        try
        {
            ExecutionRecords.WriteSpec(run, ContainerPlan.Orders(spec, image, git));
            if (await docker.StartAsync(id, CancellationToken.None) is { } why)
            {
                throw ContainerFailures.NotStarted(wanted, why);
            }

            return await UntilBegunAsync(run, id);
        }
        catch (FailureException)
        {
            await RemoveAsync(run, id);
            throw;
        }
    }

    private async Task<(string Id, CaptureGit? Git)> CreateAsync(
        RunDirectory run, ExecutionSpec spec, string name, ImageDetails image)
    {
        var git = spec.Capture is null ? null : CaptureGit.SaidBy(image);
        var id = await CreateAsync(name, plan.Order(run, spec, image, git));
        if (spec.Capture is null || git is not null)
        {
            return (id, git);
        }

        git = await CaptureGit.FindAsync(docker, id, CancellationToken.None);
        if (git is null)
        {
            git = CaptureGit.OfMachine;
            _ = await docker.RemoveAsync(id, CancellationToken.None);
            id = await CreateAsync(name, plan.Order(run, spec, image, git));
        }

        return (id, git);
    }

    private async Task<string> CreateAsync(string name, ContainerOrder order) =>
        await docker.CreateAsync(name, order, CancellationToken.None) ?? throw ContainerFailures.NameTaken(name);

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
