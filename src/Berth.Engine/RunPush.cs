using Berth.Engine.Forges;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Brings the branch of a run to its remote, and opens a pull request where one is wanted: at the end of its
/// flow, and again when somebody asks. What is done already is not done again.</summary>
internal sealed class RunPush(
    BerthOptions options, RepositoryWorkspaces workspaces, RunDirectories directories, RunStore runs, TimeProvider time)
{
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(2);

    /// <summary>Takes what people should know while it waits for a service.</summary>
    public Action<string>? Say { get; init; }

    /// <summary>How a push that somebody stopped is told.</summary>
    public const string CancelledCode = "push_cancelled";

    /// <summary>Pushes what a run has delivered, unless somebody stops it.</summary>
    /// <param name="run">The run.</param>
    /// <param name="progress">How far it has come.</param>
    /// <param name="outcome">How the agent did.</param>
    /// <param name="cancel">Stops the push, which is then one that did not succeed.</param>
    /// <param name="stop">Leaves it to the next host.</param>
    public async Task<PushRecord> RunAsync(
        RunRecord run, RunProgress progress, RunOutcome outcome, CancellationToken cancel, CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, stop);
        try
        {
            return await RunAsync(run, progress, outcome, allowSecrets: false, either.Token);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return Before(run, progress) with
            {
                Error = new Failure(
                    CancelledCode, "Delivery was cancelled; the work is kept.", $"berth deliver {run.Id}",
                    Fault.Nobody),
            };
        }
    }

    // What it comes to has no secret in it.
    private async Task<PushRecord> RunAsync(
        RunRecord run, RunProgress progress, RunOutcome outcome, bool allowSecrets, CancellationToken cancel)
    {
        var earlier = Before(run, progress);
        try
        {
            List<string> hidden =
            [
                .. directories.SecretsOf(run.Id) ?? [], .. options.Gateway.Secrets,
                .. options.Git.Credentials.Secrets(),
            ];
            var sought = allowSecrets ? null : Redactor.OfValues(hidden);
            var pushed = earlier.State == PushState.Pushed ? earlier : await workspaces.PushAsync(
                progress.Workspace!.Run, progress.Work!, earlier, sought, cancel);
            var redactor = new Redactor(hidden);
            var requested = pushed.State == PushState.Pushed && WantsPullRequest(run.Plan, pushed, outcome)
                ? await RequestAsync(run, pushed, outcome, redactor, cancel)
                : pushed;
            return requested.Error is not { } error
                ? requested
                : requested with { Error = error with { Message = redactor.Redact(error.Message) } };
        }
        catch (FailureException refused)
        {
            return earlier with { Error = refused.Failure };
        }
    }

    private async Task<PushRecord> RequestAsync(
        RunRecord run, PushRecord pushed, RunOutcome outcome, Redactor redactor, CancellationToken cancel)
    {
        var plan = run.Plan.PullRequest!;
        try
        {
            var credential = options.Git.Credentials.For(RemotePlace.Of(pushed.Remote));
            var forge = Forge.Of(pushed.Remote, credential) ?? throw PullRequestText.Impossible(pushed.Remote);
            using var client = new ForgeClient(forge, time, Say);
            var order = new PullRequestOrder(
                pushed.Branch,
                BaseOf(run.Plan),
                redactor.Redact(PullRequestText.TitleOf(plan.Title, run.Plan, run.Id, outcome)),
                redactor.Redact(PullRequestText.BodyOf(plan.Body, run.Plan, run.Id, outcome)))
            {
                IsDraft = plan.IsDraft,
                Labels = plan.Labels,
                Reviewers = plan.Reviewers,
            };
            var opened = await client.OpenAsync(order, cancel);
            return pushed with
            {
                PullRequest = opened with { Warnings = [.. opened.Warnings.Select(redactor.Redact)] }, Error = null,
            };
        }
        catch (FailureException failed)
        {
            var hint = $"{failed.Failure.Hint} Then: berth deliver {run.Id}";
            return pushed with { Error = failed.Failure with { Hint = hint } };
        }
    }

    // What the agent did not finish nobody should be asked to merge.
    private static bool WantsPullRequest(RunPlan plan, PushRecord pushed, RunOutcome? outcome) =>
        plan.PullRequest is not null && pushed.PullRequest is null && outcome is { } reached
        && (reached.State == RunState.Succeeded || IsOfDelivery(reached.Error?.Code));

    private static bool IsOfDelivery(string? code) => code is not null
        && (code.StartsWith("push_", StringComparison.Ordinal)
            || code.StartsWith("pull_request_", StringComparison.Ordinal));

    // A commit is no branch that something could be merged to; then the remote's default one is meant.
    private static string? BaseOf(RunPlan plan)
    {
        const string Heads = "refs/heads/";
        const int ShortestId = 40;
        return plan.Ref switch
        {
            null or "HEAD" => null,
            { Length: >= ShortestId } id when id.All(char.IsAsciiHexDigit) => null,
            var name => name.StartsWith(Heads, StringComparison.Ordinal) ? name[Heads.Length..] : name,
        };
    }

    private static PushRecord Before(RunRecord run, RunProgress progress) => progress.Push ?? new PushRecord
    {
        State = PushState.Failed,
        Remote = run.Plan.PushRemote!,
        Branch = progress.DeliveredBranch!,
    };

    /// <summary>Pushes a run that has ended, if it was to be pushed and is not.</summary>
    /// <exception cref="FailureException"><c>run_not_final</c>, <c>push_not_asked</c>, <c>nothing_to_push</c>, or why
    /// it did not succeed.</exception>
    public async Task AgainAsync(string id, bool allowSecrets, CancellationToken cancel)
    {
        if (!Directory.Exists(directories.Of(id).Root))
        {
            throw new FailureException(
                "changes_gone", $"The directory of run {id} is gone.", "Push the run's branch by hand.", Fault.User);
        }

        using var held = await LockFile.TakeAsync(directories.HostLock(id), LockPatience, time, cancel);
        var run = runs.Find(id)!;
        if (held is null || !run.State.IsFinal())
        {
            throw new FailureException(
                "run_not_final", $"The run {id} is still at work.", $"berth logs {id} --follow shows it.", Fault.User);
        }

        if (run.Plan.PushRemote is null)
        {
            throw new FailureException(
                "push_not_asked",
                $"The run {id} was not to be pushed, so what must not leave with it is not known any more.",
                "Push its branch by hand; or give --push with the next run.",
                Fault.User);
        }

        if (run.Progress is not { Work: not null, DeliveredBranch: not null })
        {
            throw new FailureException(
                "nothing_to_push",
                $"The run {id} has no branch.",
                "Only what a run has changed is pushed.",
                Fault.User);
        }

        var isPushed = run.Progress.Push is { State: PushState.Pushed };
        if (isPushed && !WantsPullRequest(run.Plan, run.Progress.Push!, run.Outcome))
        {
            return;
        }

        if (!isPushed && directories.SecretsOf(id) is null && !allowSecrets)
        {
            throw new FailureException(
                "push_secrets_forgotten",
                $"The run {id} was cleaned up, so what must not leave with it is not known any more.",
                $"Look at its changes with berth diff {id}; then: berth deliver {id} --allow-secrets",
                Fault.User);
        }

        var pushed = await RunAsync(run, run.Progress, run.Outcome!, allowSecrets, cancel);
        runs.SaveProgress(id, run.Progress with { Push = pushed });
        if (pushed.Error is { } failed)
        {
            throw new FailureException(failed);
        }

        directories.ForgetSecrets(id);
    }
}
