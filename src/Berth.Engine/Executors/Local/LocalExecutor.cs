using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Local;

/// <summary>Runs Claude as a process of this machine, in a sandbox, under a supervisor that outlives us.</summary>
/// <remarks>
/// Constraints: this object may be killed between any two lines, and a new one in another process must go on. So the
/// intent is written before the effect (spec.json before control groups and the supervisor), everything made is named
/// by the run id or by the spec, and nothing is remembered here. What the agent could write is never followed, run or
/// believed.
/// </remarks>
internal sealed class LocalExecutor(LocalExecutorOptions options, JournalReader journals, TimeProvider time) : IExecutor
{
    /// <summary>The mode's name.</summary>
    internal const string ModeName = "local";

    private const int Kill = 9;

    // Processes that were sent SIGKILL end at once, unless the kernel holds them.
    private static readonly TimeSpan KillBound = TimeSpan.FromSeconds(5);

    // A supervisor that has written its last record only has to end itself.
    private static readonly TimeSpan EndBound = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly RunFolders folders = new(options.RunsFolder);
    private readonly ExecutionPlan plan = new(options);
    private readonly SupervisorLaunch launch = new(options, time);
    private readonly SupervisorControl control = new(time, options.ReplyLimit);

    /// <inheritdoc/>
    public string Mode => ModeName;

    /// <inheritdoc/>
    public Task<ExecutorProbe> ProbeAsync(
        ExecutionPolicy policy, string? claudeBinary, CancellationToken cancellation) =>
        new LocalProbe(options, time).ProbeAsync(policy.Sandbox, claudeBinary, cancellation);

    /// <inheritdoc/>
    public ExecutionLayout LayOut(string runId, ExecutionPolicy policy, string claudeBinary) =>
        ExecutionPlan.LayOut(folders.Of(runId), policy.Sandbox, claudeBinary);

    /// <inheritdoc/>
    public async Task<ExecutionHandle> ExecuteClaudeTaskAsync(ExecutionSpec spec, CancellationToken cancellation)
    {
        var run = folders.Of(spec.RunId);
        if (ExecutionRecords.Handle(run) is { } started)
        {
            return started;
        }

        cancellation.ThrowIfCancellationRequested();
        plan.Check(run, spec);
        ExecutionPlan.Prepare(run, spec.Policy);
        // A limit that the system does not give was told to the user when he asked for the run.
        var groups = spec.Policy is { MemoryBytes: null, Processes: null, Cpus: null } ? null : ControlGroups.Detect();

        // A spec that is there already is that of a start whose host has died; its supervisor may be on its way.
        var again = File.Exists(run.SpecFile);
        ExecutionRecords.WriteSpec(run, plan.Build(run, spec, groups));
        MakeGroups(spec, groups);
        return await launch.StartAsync(run, spec.RunId, again);
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
        var request = new ControlRequest { Verb = ControlVerb.Cancel, Force = force };
        var reply = await control.AskWhileAsync(run, request, () => Live(run) is not null, cancellation);
        if (reply is { Ok: true })
        {
            return true;
        }

        if (Live(run) is not { } supervisor)
        {
            return false;
        }

        if (!force)
        {
            throw SupervisorFailures.NotAnswering(runId, $"process {supervisor.Pid}");
        }

        await KillTreeAsync(runId, run, supervisor);
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
            () => Live(run) is { } supervisor ? $"process {supervisor.Pid}" : null,
            cancellation);
    }

    /// <inheritdoc/>
    public async Task<RecoveredExecution> RecoverAsync(string runId, CancellationToken cancellation)
    {
        var run = folders.Of(runId);
        var found = Look(run);
        if (found.State != ExecutionState.Gone)
        {
            return found;
        }

        var groups = GroupsOf(run);
        var killed = await RunProcesses.KillAllAsync(runId, () => ControlGroups.Members(groups), time, KillBound);
        return found with
        {
            Failure = found.Rebooted ? SupervisorFailures.Rebooted : SupervisorFailures.Died(run),
            LeftoversKilled = killed.Count,
            Leaked = killed.Leaked,
        };
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> CleanUpAsync(string runId, bool keepWorkspace, CancellationToken deadline)
    {
        var run = folders.Of(runId);
        if (Look(run).State == ExecutionState.Running)
        {
            await StopForGoodAsync(runId, run, deadline);
        }

        await UntilDeadAsync(ExecutionRecords.Handle(run)?.Supervisor, EndBound);
        var groups = GroupsOf(run);
        var killed = await RunProcesses.KillAllAsync(runId, () => ControlGroups.Members(groups), time, KillBound);
        var left = await RemoveGroupsAsync(runId, groups);
        var names = OwnedExecutions.Removable(run, keepWorkspace);
        var files = await Task.Run(() => SafeDeletion.Remove(run.Root, names, deadline), CancellationToken.None);
        return [.. killed.Leaked, .. left.Select(folder => $"{folder}: the control group is still in use"), .. files];
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<OwnedExecution>> ListOwnedAsync(CancellationToken cancellation) =>
        Task.Run<IReadOnlyList<OwnedExecution>>(
            () =>
            {
                var all = RunProcesses.All();
                return
                [
                    .. from runId in folders.RunIds
                       let run = folders.Of(runId)
                       where OwnedExecutions.ModeOf(run) is null or ModeName
                       let residue = OwnedExecutions.ResidueOf(run, GroupsOf(run), all[runId])
                       let owned = new OwnedExecution(runId, Look(run).State, residue)
                       where residue.Count > 0 || owned.State == ExecutionState.Running
                       select owned,
                ];
            },
            cancellation);

    // The order matters: a supervisor that ends between the two looks has written its record by then.
    private static RecoveredExecution Look(RunDirectory run)
    {
        var handle = ExecutionRecords.Handle(run);
        var alive = handle?.Supervisor.IsAlive == true;
        return ExecutionRecords.Exit(run) is { } exit
            ? new RecoveredExecution(ExecutionState.Exited, handle, exit)
            : new RecoveredExecution(
                handle is null ? ExecutionState.NeverStarted : alive ? ExecutionState.Running : ExecutionState.Gone,
                handle)
            {
                Rebooted = handle?.Supervisor.BootId is { } boot
                    && !string.Equals(boot, ProcessIdentity.CurrentBootId, StringComparison.Ordinal),
            };
    }

    private static bool HasEnded(RunDirectory run) => Look(run).State is ExecutionState.Exited or ExecutionState.Gone;

    // Alive, and with something left to do: after its last record a supervisor takes no more requests.
    private static ProcessIdentity? Live(RunDirectory run) =>
        Look(run) is { State: ExecutionState.Running, Handle: { } handle }
        ? handle.Supervisor
        : null;

    private static IReadOnlyList<string> GroupsOf(RunDirectory run) => ExecutionRecords.Spec(run)?.Limits.Cgroups ?? [];

    private static void MakeGroups(ExecutionSpec spec, ControlGroups? groups)
    {
        try
        {
            groups?.Create(spec.RunId, spec.Policy);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "limit_not_available",
                $"The control groups of run {spec.RunId} could not be made: {refused.Message}",
                "See `berth doctor`; or run without limits.",
                Fault.Operator,
                refused);
        }
    }

    private async Task StopForGoodAsync(string runId, RunDirectory run, CancellationToken deadline)
    {
        try
        {
            await CancelExecutionAsync(runId, force: true, deadline);
        }
        catch (OperationCanceledException)
        {
            // No time to ask; what is still alive is killed below.
        }

        var stop = ExecutionRecords.Spec(run)?.Stop ?? new StopPlan();
        if (Live(run) is { } supervisor && !await UntilAsync(() => Live(run) is null, stop.KillGrace + EndBound))
        {
            await KillTreeAsync(runId, run, supervisor);
        }
    }

    private async Task KillTreeAsync(string runId, RunDirectory run, ProcessIdentity supervisor)
    {
        // Taken first: once the root is dead, nobody can say what belonged to it. It is also killed last.
        ProcessIdentity[] tree = [.. ProcessTree.DescendantsOf(supervisor.Pid), supervisor];
        foreach (var process in tree)
        {
            process.Signal(Kill);
        }

        await RunProcesses.KillAllAsync(
            runId,
            () => ControlGroups.Members(GroupsOf(run)).Concat(tree.Where(process => process.IsAlive)),
            time,
            KillBound);
    }

    private async Task UntilDeadAsync(ProcessIdentity? supervisor, TimeSpan bound)
    {
        if (supervisor is not null && !await UntilAsync(() => !supervisor.IsAlive, bound))
        {
            supervisor.Signal(Kill);
        }
    }

    private async Task<IReadOnlyList<string>> RemoveGroupsAsync(string runId, IReadOnlyList<string> groups)
    {
        IReadOnlyList<string> left = [];
        await UntilAsync(() => (left = ControlGroups.Remove(runId, groups)).Count == 0, KillBound);
        return left;
    }

    private async Task<bool> UntilAsync(Func<bool> condition, TimeSpan bound)
    {
        var started = time.GetTimestamp();
        while (!condition())
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
