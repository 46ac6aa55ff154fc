using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>From a repository to a workspace, and from what a run left there to a branch.</summary>
/// <remarks>
/// (1) Inspect: refuse what cannot work before anything is made. (2) Prepare: mirror, pin, workspace. Then the agent
/// works, and capture
/// leaves a bundle. (3) Collect: bundle to mirror. (4) Deliver: a new branch. (5) Release: the pins go, and a run's own
/// repository; the branch stays.
/// All but inspecting can be done again after a crash in the middle of it.
/// </remarks>
internal sealed partial class RepositoryWorkspaces(WorkspaceOptions options, GitProgram git, TimeProvider time)
{
    private const int MaxRefs = 20;
    private const string OwnRepository = "repository.git";
    private readonly WorkCollector collector = new(options, git);
    private readonly RecentAnswers<InspectSubject, RepositoryFacts> inspected = new(_ => true, time);

    /// <summary>As <see cref="InspectAsync"/> without the count, or as it was a moment ago, for a branch that is named
    /// by the run: no other run has that name.</summary>
    /// <param name="source">The repository.</param>
    /// <param name="reference">Where the run is to start, or null.</param>
    /// <param name="branch">The branch that the work is to be on; its last part is the run's own.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="FailureException">As <see cref="InspectAsync"/>.</exception>
    internal Task<RepositoryFacts> InspectAgainAsync(
        RepositorySource source, string? reference, string branch, CancellationToken cancellation) =>
        inspected.AskAsync(
            new InspectSubject(source.Subject, reference, branch[..branch.LastIndexOf('/')]),
            ending => InspectAsync(source, reference, branch, countChanges: false, ending),
            cancellation);

    /// <summary>Looks whether a run can start: the repository, the ref where it is near, and the branch. Makes
    /// nothing.</summary>
    /// <param name="source">The repository.</param>
    /// <param name="reference">Where the run is to start, or null.</param>
    /// <param name="branch">The branch that the work is to be on.</param>
    /// <param name="countChanges">Whether to look for what is not committed, which reads the whole working
    /// tree.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="FailureException"><c>branch_invalid</c>, <c>branch_taken</c>, <c>ref_invalid</c>,
    /// <c>ref_not_found</c>, <c>no_default_branch</c>, <c>repository_…</c>.</exception>
    internal async Task<RepositoryFacts> InspectAsync(
        RepositorySource source, string? reference, string branch, bool countChanges, CancellationToken cancellation)
    {
        RequestedNames.Check(reference, branch);
        await source.JudgeAsync(git, cancellation).ConfigureAwait(false);
        if (source.Kind == RepositoryKind.Url)
        {
            var mirror = MirrorOf(source, directory: null);
            if (mirror is not null && Directory.Exists(mirror.Objects))
            {
                await CheckFreeAsync(
                    GitRepository.Ours(mirror.Path), source, branch, cancellation).ConfigureAwait(false);
            }

            return new RepositoryFacts();
        }

        var users = GitRepository.Users(source.Location);
        var status = countChanges && !IsBare(source) ? git.StatusAsync(users, cancellation) : null;
        var glancing = GlanceAsync(users, reference, branch, cancellation);
        await Task.WhenAll(glancing, status ?? Task.CompletedTask).ConfigureAwait(false);
        var glance = await glancing.ConfigureAwait(false)
            ?? await LookCloselyAsync(source, reference, branch, cancellation).ConfigureAwait(false);
        var dirty = status is null ? 0 : CountEntries(await status.ConfigureAwait(false));
        return new RepositoryFacts
        {
            BaseCommit = glance.Commit,
            CurrentBranch = glance.Head.StartsWith("refs/heads/", StringComparison.Ordinal)
                ? glance.Head["refs/heads/".Length..]
                : null,
            UncommittedFiles = dirty,
            Notes = RepositoryFacts.NotesOf(source, dirty),
        };
    }

    /// <summary>Makes the workspace, or finds it made.</summary>
    internal async Task<PreparedWorkspace> PrepareAsync(WorkspaceRequest request, CancellationToken cancellation)
    {
        RequestedNames.Check(request.Ref, request.Branch);
        if (Find(request.RunDirectory) is { } made && Directory.Exists(request.RunDirectory.Workspace))
        {
            return PreparedOf(made);
        }

        await request.Source.JudgeAsync(git, cancellation).ConfigureAwait(false);
        var want = await WantAsync(request, cancellation).ConfigureAwait(false);
        var mirror = MirrorOf(request.Source, request.RunDirectory)!;
        var builder = new WorkspaceBuilder(options, git, time);
        var baseCommit = await mirror.PinAsync(want, cancellation).ConfigureAwait(false);
        var failed = await builder.BuildAsync(
            request, RunOf(request, mirror, baseCommit), mirror, cancellation).ConfigureAwait(false);
        if (failed is not null && mirror.MayBeDamage(failed.Problem))
        {
            baseCommit = await mirror.HealAndPinAsync(want, cancellation).ConfigureAwait(false);
            failed = await builder.BuildAsync(
                request, RunOf(request, mirror, baseCommit), mirror, cancellation).ConfigureAwait(false);
        }

        return failed is null
            ? PreparedOf(RunOf(request, mirror, baseCommit))
            : throw GitFailures.OfOurs($"Filling the workspace {request.RunDirectory.Workspace}", failed);
    }

    /// <summary>The run's part in its repository as <see cref="PrepareAsync"/> recorded it, or null where it did not
    /// get that far.</summary>
    internal static RunWorkspace? Find(RunDirectory directory) => StoredWorkspace.Read(directory);

    /// <summary>Takes the run's commits from the bundle that capture left, or gives null where the run has
    /// none.</summary>
    /// <exception cref="FailureException"><c>bundle_refused</c>, <c>disk_full</c>, <c>mirror_…</c>.</exception>
    internal async Task<CollectedWork?> CollectAsync(RunWorkspace run, CancellationToken cancellation)
    {
        for (var healed = false; ; healed = true)
        {
            await using var bundle = await WorkBundle.OpenAsync(
                run, options.MaxBundleBytes, cancellation).ConfigureAwait(false);
            if (bundle is null
                || (bundle.Refs.Count == 0 && string.Equals(bundle.Tip, run.BaseCommit, StringComparison.Ordinal)))
            {
                return null;
            }

            var failed = await TakeAsync(run, bundle, cancellation).ConfigureAwait(false);
            if (failed is null)
            {
                return bundle.Tip is { } tip
                    ? await collector.ReadAsync(run, tip, cancellation).ConfigureAwait(false) : null;
            }

            // Of a bundle that lacks something, and a mirror that lost it, git says the same; so the mirror is looked
            // at.
            if (healed || run.BaseCommit is null || failed.Problem is GitProblem.DiskFull or GitProblem.TimedOut
                || await IsWholeAsync(run, cancellation).ConfigureAwait(false))
            {
                throw failed.Problem is GitProblem.DiskFull or GitProblem.TimedOut or GitProblem.Permission
                    ? GitFailures.OfOurs("Taking the run's commits into the mirror", failed)
                    : WorkBundle.Refuse(run, failed.Excerpt);
            }

            var want = new MirrorWant(run.RunId, run.BaseCommit, run.BaseCommit);
            await MirrorAt(run).HealAndPinAsync(want, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Makes the work appear as a new branch.</summary>
    /// <returns>The branch's name, which has a number behind it where the name was taken.</returns>
    /// <exception cref="FailureException"><c>delivery_failed</c>, <c>branch_taken</c>, <c>disk_full</c>.</exception>
    internal async Task<string> DeliverAsync(RunWorkspace run, CollectedWork work, CancellationToken cancellation)
    {
        await using var shared = await MirrorAt(run).LockAsync(alone: false, cancellation).ConfigureAwait(false);
        return await new Delivery(options, git).DeliverAsync(run, work.HeadCommit, cancellation).ConfigureAwait(false);
    }

    /// <summary>Makes what else the run has appear: its other branches, tags, and what no branch led to.</summary>
    /// <param name="run">The run.</param>
    /// <param name="branch">What its work was delivered as; null for the name that it was to have.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="FailureException"><c>delivery_failed</c>, <c>disk_full</c>.</exception>
    internal async Task<IReadOnlyList<DeliveredRef>> DeliverRefsAsync(
        RunWorkspace run, string? branch, CancellationToken cancellation)
    {
        await using var shared = await MirrorAt(run).LockAsync(alone: false, cancellation).ConfigureAwait(false);
        return await new RefDelivery(options, git).DeliverAsync(
            run, branch ?? run.Branch, cancellation).ConfigureAwait(false);
    }

    /// <summary>Sends the run's branch to its remote. What it came to is in the answer.</summary>
    /// <remarks>Without the mirror's lock: a remote that hangs must not keep other runs from it.</remarks>
    internal async Task<PushRecord> PushAsync(
        RunWorkspace run, CollectedWork work, PushRecord push, Redactor? secrets, CancellationToken cancellation) =>
        Directory.Exists(run.Mirror)
            ? await new RemotePush(options, git, time).RunAsync(
                run, work.HeadCommit, push, secrets, cancellation).ConfigureAwait(false)
            : push with
            {
                State = PushState.Failed,
                Error = new Failure(
                    "changes_gone", $"Berth has the commits of run {run.RunId} no longer.",
                    "Push the run's branch from your repository.", Fault.User),
            };

    /// <summary>Where in a run's changes secrets are.</summary>
    internal Task<IReadOnlyList<string>> FindSecretsAsync(
        RunWorkspace run, CollectedWork work, Redactor secrets, CancellationToken cancellation) =>
        new RemotePush(options, git, time).FindSecretsAsync(run, work.HeadCommit, secrets, cancellation);

    /// <summary>Writes the difference between the run's base and its head. It works after <see cref="ReleaseAsync"/>
    /// and <see cref="RemoveOwn"/> too, as long as a repository has the commits.</summary>
    internal Task<DiffWritten> DiffAsync(
        RunWorkspace run, string headCommit, DiffOrder order, Stream output, CancellationToken cancellation) =>
        collector.WriteDiffAsync(run, headCommit, order, output, cancellation);

    /// <summary>Ends what a killed host left at work on a repository that this run needs no more. Where somebody has
    /// the mirror, it is his to do.</summary>
    internal async Task AbandonAsync(WorkspaceRequest request, CancellationToken cancellation)
    {
        await new WorkspaceBuilder(options, git, time).AbandonAsync(
            request.RunDirectory, cancellation).ConfigureAwait(false);
        await MirrorOf(request.Source, request.RunDirectory)!.TidyAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>What a run has of its repository in its own directory: the clone of a run without a mirror, and what
    /// was left of one half made.</summary>
    internal static IReadOnlyList<string> OwnOf(RunDirectory directory) => Directory.Exists(directory.Root)
        ? Directory.GetFileSystemEntries(directory.Root, OwnRepository + "*")
        : [];

    /// <summary>Removes it. May be called twice.</summary>
    /// <returns>What could not be removed.</returns>
    internal static IReadOnlyList<string> RemoveOwn(RunDirectory directory)
    {
        var left = new List<string>();
        var own = OwnOf(directory);
        foreach (var path in own)
        {
            try
            {
                Directory.Delete(path, recursive: true);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                left.Add($"{path}: {refused.Message}");
            }
        }

        if (own.Count > 0)
        {
            File.Delete(Path.Combine(directory.Root, Path.ChangeExtension(OwnRepository, ".lock")));
        }

        return left;
    }

    /// <summary>Removes the pins of a run that is cleaned up. The branch and the objects stay. May be called
    /// twice.</summary>
    internal async Task ReleaseAsync(RunWorkspace run, CancellationToken cancellation)
    {
        if (!Directory.Exists(run.Mirror))
        {
            return;
        }

        await using var shared = await MirrorAt(run).LockAsync(alone: false, cancellation).ConfigureAwait(false);
        string[] pins =
        [
            Mirror.BaseRef(run.RunId), Mirror.HeadRef(run.RunId),
            .. await new RefDelivery(options, git).PinsAsync(run, cancellation).ConfigureAwait(false),
        ];
        var released = await git.DeleteRefsAsync(run.Mirror, pins, cancellation).ConfigureAwait(false);
        if (!released.Succeeded)
        {
            throw GitFailures.OfOurs($"Removing the pins of run {run.RunId}", released);
        }
    }

    private async Task<GitResult?> TakeAsync(RunWorkspace run, WorkBundle bundle, CancellationToken cancellation)
    {
        await using var shared = await MirrorAt(run).LockAsync(alone: false, cancellation).ConfigureAwait(false);
        return await collector.TakeAsync(run, bundle, cancellation).ConfigureAwait(false);
    }

    private async Task<bool> IsWholeAsync(RunWorkspace run, CancellationToken cancellation) =>
        (await git.CheckConnectedAsync(run.Mirror, [run.BaseCommit!], options.WorkTimeout,
            cancellation).ConfigureAwait(false)).Succeeded;

    private async Task<MirrorWant> WantAsync(WorkspaceRequest request, CancellationToken cancellation)
    {
        if (request.Source.Kind == RepositoryKind.Url)
        {
            var written = request.Ref is { Length: 40 or 64 } full && full.All(char.IsAsciiHexDigitLower) ? full : null;
            return new MirrorWant(request.RunId, written, request.Ref);
        }

        var commit = await ResolveAsync(request.Source, request.Ref, cancellation).ConfigureAwait(false);
        return new MirrorWant(request.RunId, commit, request.Ref, IsEmpty: commit is null);
    }

    private async Task<string?> ResolveAsync(RepositorySource source, string? reference, CancellationToken cancellation)
    {
        var users = GitRepository.Users(source.Location);
        var resolved = await git.ResolveCommitAsync(users, reference ?? "HEAD", cancellation).ConfigureAwait(false);
        if (resolved.Succeeded)
        {
            return resolved.Line;
        }

        if (reference is null or "HEAD" && resolved.Problem == GitProblem.RefMissing
            && (await git.HeadBranchAsync(users, cancellation).ConfigureAwait(false)).Succeeded)
        {
            return await IsEmptyAsync(users, cancellation).ConfigureAwait(false)
                ? null
                : throw Mirror.NoDefaultBranch(source);
        }

        throw GitFailures.OfSource(source, $"Looking for '{reference ?? "HEAD"}' in {source.Location}", resolved);
    }

    // Null where all is not as usual, or the branch not free.
    private async Task<RepositoryGlance?> GlanceAsync(
        GitRepository users, string? reference, string branch, CancellationToken cancellation) =>
        RepositoryGlance.Patterns(branch) is { } patterns
            ? RepositoryGlance.Read(
                await git.GlanceAsync(users, reference ?? "HEAD", patterns, cancellation).ConfigureAwait(false), branch)
            : null;

    // Question by question, so that what is wrong is said by name.
    private async Task<RepositoryGlance> LookCloselyAsync(
        RepositorySource source, string? reference, string branch, CancellationToken cancellation)
    {
        var users = GitRepository.Users(source.Location);
        var start = ResolveAsync(source, reference, cancellation);
        var current = git.HeadBranchAsync(users, cancellation);
        var free = CheckFreeAsync(users, source, branch, cancellation);
        await Task.WhenAll(start, current, free).ConfigureAwait(false);
        var head = (await current.ConfigureAwait(false)).Line;
        return string.Equals(head, $"refs/heads/{branch}", StringComparison.Ordinal)
            ? throw Taken(source, branch, "it is checked out")
            : new RepositoryGlance(await start.ConfigureAwait(false), head);
    }

    private async Task CheckFreeAsync(
        GitRepository repository, RepositorySource source, string branch, CancellationToken cancellation)
    {
        var found = await git.ListRefsAsync(
            repository, Delivery.PatternsInTheWay(branch), MaxRefs, cancellation).ConfigureAwait(false);
        if (found.Succeeded && found.Line.Length > 0)
        {
            throw Taken(source, branch, $"{found.Line.Split('\n')[0].Split(' ')[^1]} is there");
        }
    }

    private static FailureException Taken(RepositorySource source, string branch, string why) => new(
        "branch_taken", $"The branch '{branch}' cannot be made in {source.Location}: {why}.",
        "Choose another --branch.", Fault.User);

    private static bool IsBare(RepositorySource source) => !Path.Exists(Path.Combine(source.Location, ".git"));

    private static int CountEntries(GitResult status) =>
        status.Text.Split('\0', StringSplitOptions.RemoveEmptyEntries).Length;

    private static PreparedWorkspace PreparedOf(RunWorkspace run) => new()
    {
        Run = run,
        Path = run.RunDirectory.Workspace,
        BaseCommit = run.BaseCommit,
        MirrorObjects = Path.Combine(run.Mirror, "objects"),
    };

    private static RunWorkspace RunOf(WorkspaceRequest request, Mirror mirror, string? baseCommit) => new()
    {
        RunId = request.RunId,
        Source = request.Source,
        Branch = request.Branch,
        RunDirectory = request.RunDirectory,
        BaseCommit = baseCommit,
        Mirror = mirror.Path,
    };

    private Mirror MirrorAt(RunWorkspace run) => new(run.Mirror, run.Source, options, git, time);

    private Mirror? MirrorOf(RepositorySource source, RunDirectory? directory)
    {
        var path = options.UseMirror
            ? Path.Combine(options.MirrorsFolder, Mirror.NameOf(source) + ".git")
            : directory is null ? null : Path.Combine(directory.Root, OwnRepository);
        return path is null ? null : new Mirror(path, source, options, git, time);
    }

    private sealed record InspectSubject(string Repository, string? Reference, string BranchFolder);
}
