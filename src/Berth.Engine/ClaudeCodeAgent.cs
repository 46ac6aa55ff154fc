using System.Data.Common;
using Berth.Engine.Access;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>The flow of one run, from queued to cleaned up. Read this file first.</summary>
/// <remarks>
/// <para>
/// (1) Resolve the workflow and check the request: <see cref="RunSubmission"/>, before the run exists. Then, in the
/// run's host:
/// (2) Prepare the workspace: mirror, clone, branch. (3) Choose the executor. (4) Execute: the supervisor runs Claude.
/// (5) Follow the journal. (6) Capture the changes, whatever happened. (7) Deliver them: as a branch, and to
/// the remote where that is asked for. (8) Record the outcome, once.
/// (9) Clean up. When all that is recorded, and the host's lock is free: (10) Make a warm container for the next run of
/// the kind, where that is asked for: <see cref="WarmRefill"/>.
/// </para>
/// <para>
/// The host may be killed between any two lines. Each step saves what it came to, so the next host goes on after the
/// last one saved; a step that was under way is done again, and is written so that this does no harm.
/// </para>
/// </remarks>
internal sealed class ClaudeCodeAgent(
    BerthOptions options, RunStore runs, RunDirectories directories, RepositoryWorkspaces workspaces,
    ExecutorFactory executors, TimeProvider time)
{
    private const string AuthorName = "Claude Code (Berth)";
    private const string AuthorEmail = "noreply@berth.invalid";
    private static readonly TimeSpan CleanUpDeadline = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ArtefactsDeadline = TimeSpan.FromMinutes(2);

    /// <summary>Where decisions on tool calls are noted.</summary>
    public required AuditStore Audit { get; init; }

    /// <summary>What must not be shown of runs.</summary>
    public required ShownSecrets Shown { get; init; }

    /// <summary>Takes a run from wherever it stands to its end.</summary>
    /// <param name="run">The run; this process holds its host lock.</param>
    /// <param name="stop">Leaves the run to its supervisor and to the next host.</param>
    public async Task RunAsync(RunRecord run, CancellationToken stop)
    {
        // (3) comes before (2) in time: the mode was decided with the request, and a cancel must know whom to tell.
        var executor = executors.CreateExecutor(run.Plan.Mode, "the run's record").Executor;
        var flow = new RunFlow(run, runs, directories, options.Gateway.Secrets, time) { Audit = Audit };
        var final = run.State;
        if (!final.IsFinal())
        {
            await using var cancels = new CancelWatch(flow.Directory, executor, runs, time);
            var outcome = await ReachOutcomeAsync(flow, run, executor, cancels, stop);
            flow.Finish(outcome); // (8)
            final = outcome.State;
        }

        flow.SayFinished(final);
        await CleanUpAsync(flow, executor); // (9)
    }

    private async Task<RunOutcome> ReachOutcomeAsync(
        RunFlow flow,
        RunRecord run,
        IExecutor executor,
        CancelWatch cancels,
        CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, cancels.BeforeStart);
        Execution? execution = null;
        try
        {
            await flow.WaitForPlaceAsync(options.MaxConcurrent, either.Token);
            execution = await WorkAsync(flow, executor, cancels, either.Token, stop); // (2) (4) (5)
            await CaptureAsync(flow, execution, stop); // (6)
            await DeliverAsync(flow, stop); // (7)
            var outcome = RunOutcomes.Of(execution, flow.BudgetFailure);
            await PushAsync(flow, run with { Outcome = outcome }, cancels, stop);
            return outcome;
        }
        catch (FailureException failed)
        {
            return RunOutcomes.Failed(execution, failed.Failure, flow.BudgetFailure);
        }
        catch (OperationCanceledException) when (execution is null
            && cancels.BeforeStart.IsCancellationRequested
            && !stop.IsCancellationRequested)
        {
            return RunOutcomes.CancelledBeforeStart;
        }
        catch (Exception defect) when (
            !stop.IsCancellationRequested && defect is not (RunTakenException or DbException)
            && !RoomToFinish.IsFull(defect))
        {
            // The boundary of a run: a defect of ours ends this run, with its work kept, and no other. A database that
            // cannot be used for a while ends none: this host lets go, and the run is its supervisor's and the next
            // one's.
            ErrorLog.SayIn(directories.HostLog(flow.Id), defect.ToString());
            return RunOutcomes.Failed(execution, RunOutcomes.Defect(defect, directories.HostLog(flow.Id)));
        }
    }

    private async Task<Execution> WorkAsync(
        RunFlow flow, IExecutor executor, CancelWatch cancels, CancellationToken beforeStart, CancellationToken stop)
    {
        var budgets = new RunBudgets(options, runs.Spending);
        flow.ChargeCallsOfDeadHost(budgets);
        var model = options.Gateway with
        {
            Upstream = flow.Plan.Upstream,
            Prices = budgets.Prices(flow.Progress.StartIntended),
            Policy = RunNetwork.ModelPolicyOf(flow.Plan),
        };
        await using var notes = new GatewayNotes(flow, executor);
        using var admission = budgets.AdmissionOf(flow.Id, flow.Plan, flow.Progress, time);
        await using var gateway = await ModelGateway.ServeAsync(flow.Directory, model, notes, admission, time, stop);
        await using var proxy = flow.Plan.Network.Mode == NetworkMode.Allowlist
            ? new EgressProxy(flow.Directory, RunNetwork.ProxyOf(options, flow.Plan.Network), notes, time)
            : null;
        await PrepareAsync(flow, beforeStart); // (2)
        await StartAsync(flow, executor, cancels, notes, stop); // (4)
        return await FollowAsync(flow, executor, cancels, stop); // (5)
    }

    // (2)
    private async Task PrepareAsync(RunFlow flow, CancellationToken cancel)
    {
        if (flow.Progress is { Workspace: not null } or { StartIntended: true })
        {
            return;
        }

        options.Disk.Check(flow.Directory.Root);
        flow.Begin(RunPhase.Prepare);
        var prepared = await flow.LookAroundAsync(
            workspaces, await workspaces.PrepareAsync(RequestOf(flow), cancel), cancel);
        flow.End(RunPhase.Prepare, progress => progress with { Workspace = prepared });
    }

    // (4)
    private async Task StartAsync(
        RunFlow flow,
        IExecutor executor,
        CancelWatch cancels,
        GatewayNotes notes,
        CancellationToken stop)
    {
        var found = flow.Progress.StartIntended
            ? await executor.RecoverAsync(flow.Id, stop)
            : new(ExecutionState.NeverStarted);
        if (found.State == ExecutionState.NeverStarted)
        {
            cancels.BeforeStart.ThrowIfCancellationRequested();
            flow.Begin(RunPhase.Start);
            flow.Launch();
            await executor.ExecuteClaudeTaskAsync(SpecOf(flow, executor), stop);
        }

        else if (found.State == ExecutionState.Running)
        {
            notes.Adopted();
        }

        runs.Move(flow.Id, RunState.Preparing, RunState.Running);
        cancels.ExecutionIsLive();
    }

    // (5)
    private static async Task<Execution> FollowAsync(
        RunFlow flow, IExecutor executor, CancelWatch cancels, CancellationToken stop)
    {
        var evidence = new ClaudeEvidence();
        var entries = executor.GetExecutionLogsAsync(flow.Id, after: 0, follow: true, stop);
        await foreach (var entry in JournalLineJoiner.JoinAsync(
            entries,
            flow.Directory,
            JournalLineJoiner.LongestJoined,
            stop))
        {
            flow.Read(entry, evidence);
        }

        cancels.ExecutionHasEnded();
        return new Execution(evidence, await executor.RecoverAsync(flow.Id, stop));
    }

    // (6) The supervisor has made the commits inside the sandbox; here they are taken over, as data that nobody trusts.
    private async Task CaptureAsync(RunFlow flow, Execution execution, CancellationToken stop)
    {
        var exit = execution.Recovered.Exit;
        flow.EnterCapturing(exit);
        if (flow.Progress.Collected || exit?.Capture is not { State: not CaptureState.Failed })
        {
            return;
        }

        flow.Begin(RunPhase.Capture);
        var collected = await new RoomToFinish(flow.Directory.Root, directories.HostLog(flow.Id), time).CollectAsync(
            () => workspaces.CollectAsync(flow.Progress.Workspace!.Run, stop), stop);
        var work = collected.Redacted(flow.Redactor);
        flow.End(RunPhase.Capture, progress => progress with { Work = work, Collected = true });
    }

    // (7)
    private async Task DeliverAsync(RunFlow flow, CancellationToken stop)
    {
        if (flow.Progress is not { Work: { } work, DeliveredBranch: null })
        {
            await DeliverRefsAsync(flow, stop);
            return;
        }

        flow.Begin(RunPhase.Deliver);
        var branch = await workspaces.DeliverAsync(flow.Progress.Workspace!.Run, work, stop);
        var places = await FindSecretsAsync(flow, work, stop);
        flow.End(RunPhase.Deliver, progress => progress with { DeliveredBranch = branch, SecretPlaces = places });
        flow.Write(BerthEvents.Delivered, new(StringComparer.Ordinal) { ["branch"] = branch });
        await DeliverRefsAsync(flow, stop);
    }

    // What the agent left beside its work at HEAD.
    private async Task DeliverRefsAsync(RunFlow flow, CancellationToken stop)
    {
        if (flow.Progress is not { Collected: true, Refs: null })
        {
            return;
        }

        var refs = await workspaces.DeliverRefsAsync(
            flow.Progress.Workspace!.Run, flow.Progress.DeliveredBranch, stop);
        flow.Save(progress => progress with { Refs = refs });
        foreach (var one in refs)
        {
            flow.Write(BerthEvents.Delivered, new(StringComparer.Ordinal) { ["branch"] = one.Ref });
        }
    }

    // Nobody can tell later where they are.
    private async Task<IReadOnlyList<string>> FindSecretsAsync(
        RunFlow flow, CollectedWork work, CancellationToken stop)
    {
        var passing = Shown.PassingOf(flow.Id, flow.Plan.Workflow);
        return passing.Count == 0
            ? []
            : await workspaces.FindSecretsAsync(
                flow.Progress.Workspace!.Run, work, Redactor.OfValues(passing), stop);
    }

    // A remote that does not take it ends no run's work: that is kept, and this alone can be done again.
    private async Task PushAsync(RunFlow flow, RunRecord run, CancelWatch cancels, CancellationToken stop)
    {
        if (flow.Plan.PushRemote is null || flow.Progress.DeliveredBranch is null)
        {
            return;
        }

        if (flow.Progress.Push is null)
        {
            flow.Begin(RunPhase.Push);
            var pushing = new RunPush(options, workspaces, directories, runs, time) { Say = flow.Note };
            var pushed = await pushing.RunAsync(run, flow.Progress, run.Outcome!, cancels.AfterEnd, stop);
            flow.End(RunPhase.Push, progress => progress with { Push = pushed });
            flow.Say(pushed);
        }

        if (flow.Progress.Push?.Error is { } failure)
        {
            throw new FailureException(failure);
        }
    }

    // (9) Under a deadline of its own: no cancel and no stop of the host reaches it.
    private async Task CleanUpAsync(RunFlow flow, IExecutor executor)
    {
        flow.Begin(RunPhase.Cleanup);
        await TakeArtefactsAsync(flow);
        using var deadline = new CancellationTokenSource(CleanUpDeadline, time);
        if (flow.Progress.Workspace is null)
        {
            await AbandonAsync(flow, deadline.Token);
        }

        var unkept = await KeepConversationAsync(flow);
        var leaked = await executor.CleanUpAsync(flow.Id, flow.KeepsWorkspace, deadline.Token);
        var left = flow.RepositoryIsSpent ? RepositoryWorkspaces.RemoveOwn(flow.Directory) : [];
        if (!flow.MayPushLater)
        {
            directories.ForgetSecrets(flow.Id);
        }

        flow.EndCleanUp([.. leaked, .. left]);
        if (unkept is not null)
        {
            ErrorLog.SayIn(directories.HostLog(flow.Id), unkept.ToString());
        }
    }

    // The next run that goes on from here needs what the CLI remembers; its HOME goes. A disk without room for it must
    // not keep the rest from being removed, which may be what makes room.
    private static async Task<IOException?> KeepConversationAsync(RunFlow flow)
    {
        try
        {
            await Conversations.KeepAsync(flow.Directory, flow.Plan.SessionId, flow.Redactor);
            return null;
        }
        catch (IOException unwritten)
        {
            return unwritten;
        }
    }

    // What is taken is saved before anything is removed; where there is nothing, doing it again costs nothing.
    private async Task TakeArtefactsAsync(RunFlow flow)
    {
        if (flow.Progress.Artefacts is null)
        {
            using var limit = new CancellationTokenSource(ArtefactsDeadline, time);
            var taken = await ArtefactHarvest.TakeAsync(
                flow.Directory, flow.Redactor, options.Retention.ArtefactBytes, limit.Token);
            if (taken is { Files: > 0 } or { LeftOut.Count: > 0 })
            {
                flow.Save(progress => progress with { Artefacts = taken });
            }
        }
    }

    // A host that was killed in the middle of (2) left its git at work, and nobody goes on with it now.
    private async Task AbandonAsync(RunFlow flow, CancellationToken deadline)
    {
        try
        {
            await workspaces.AbandonAsync(RequestOf(flow), deadline);
        }
        catch (FailureException)
        {
            // The repository itself is gone, and was never read.
        }
    }

    private WorkspaceRequest RequestOf(RunFlow flow) => new()
    {
        RunId = flow.Id,
        Source = RepositorySource.Parse(flow.Plan.Repository, options.Home).Guarded(flow.Plan.Ticket.IsGuarded),
        Ref = flow.Plan.Ref,
        Branch = flow.Plan.Branch,
        RunDirectory = flow.Directory,
        AuthorName = AuthorName,
        AuthorEmail = AuthorEmail,
    };

    private ExecutionSpec SpecOf(RunFlow flow, IExecutor executor)
    {
        var plan = flow.Plan;
        if (plan.ContinuedFrom is { } earlier
            && !File.Exists(Path.Combine(flow.Directory.AgentFolder, AgentFiles.ConversationName)))
        {
            throw Conversations.Gone(earlier);
        }

        var prepared = flow.Progress.Workspace!;
        var policy = AgentMounts.PolicyOf(plan, prepared);
        var layout = executor.LayOut(flow.Id, policy, plan.ClaudeBinary);
        var invocation = AgentMounts.InvocationOf(plan, prepared, layout);
        AgentMounts.WriteSettings(flow.Directory, invocation);
        return new ExecutionSpec
        {
            RunId = flow.Id,
            Facts = flow.Facts,
            Argv = ClaudeCommandLine.Argv(invocation),
            Environment = AgentMounts.EnvironmentOf(flow.Id, plan, layout, invocation),
            Policy = policy,
            ClaudeBinary = plan.ClaudeBinary,
            Directory = plan.Directory,
            Capture = new CapturePlan(prepared.BaseCommit, flow.CommitMessage, AuthorName, AuthorEmail)
            {
                BorrowedObjects = prepared.MirrorObjects,
            },
            Limits = new ExecutionLimits
            {
                Timeout = plan.Timeout,
                IdleReport = options.IdleReport,
                IdleStop = plan.IdleStop,
                ApprovalTimeout = plan.ApprovalTimeout,
                DiskMin = options.Disk.StopOf(flow.Directory.Root),
                DiskBytes = options.Disk.Most,
            },
        };
    }
}

/// <summary>What came of an execution: what its transcript proves, and how it ended.</summary>
internal sealed record Execution(ClaudeEvidence Evidence, RecoveredExecution Recovered);
