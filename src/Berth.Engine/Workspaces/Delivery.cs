using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Makes a run's work appear as a new branch, in the user's repository or in the mirror.</summary>
/// <remarks>
/// Only objects and one new ref are added. The ref is made in one step that fails where it exists, so a branch that
/// appeared meanwhile is
/// never moved, not even forward; the next free name is taken. Delivering twice gives the same branch.
/// </remarks>
internal sealed class Delivery(WorkspaceOptions options, GitProgram git)
{
    private const int MaxNames = 100;

    internal async Task<string> DeliverAsync(RunWorkspace run, string head, CancellationToken cancellation)
    {
        var target = TargetOf(run);
        if (!target.IsOurs && !await TakePackAsync(run, target, head, cancellation).ConfigureAwait(false))
        {
            var fetched = await git.FetchObjectsAsync(
                target, run.Mirror, Mirror.HeadRef(run.RunId), options.TransferTimeout, cancellation)
                .ConfigureAwait(false);
            if (!fetched.Succeeded)
            {
                throw Failed(run, fetched);
            }
        }

        var current = (await git.HeadBranchAsync(target, cancellation).ConfigureAwait(false)).Line;
        foreach (var name in BranchName.Alternatives(run.Branch, MaxNames))
        {
            // A branch without commits has no ref, and yet it may be the one that is checked out.
            if (!target.IsOurs && string.Equals(current, $"refs/heads/{name}", StringComparison.Ordinal))
            {
                continue;
            }

            var made = await git.UpdateRefAsync(
                target, $"refs/heads/{name}", head, mustBeNew: true, cancellation).ConfigureAwait(false);
            if (made.Succeeded || await IsAlreadyAsync(target, name, head, cancellation).ConfigureAwait(false))
            {
                return name;
            }

            if (made.Problem is not (GitProblem.RefExists or GitProblem.Corrupt or GitProblem.Locked))
            {
                throw Failed(run, made);
            }
        }

        throw new FailureException(
            "branch_taken",
            $"'{run.Branch}' and the {MaxNames - 1} names after it are taken in {run.Source.Location}.",
            $"The work is kept. Under a name of your own: {ByHand(run, "NAME")}",
            Fault.User);
    }

    // The mirror has taken this very pack and found it whole. Fetching from there is eight processes for the same
    // objects, but does not need the bundle, nor that the repository still has all that it was made from.
    internal async Task<bool> TakePackAsync(
        RunWorkspace run, GitRepository target, string? head, CancellationToken cancellation)
    {
        try
        {
            await using var bundle = await WorkBundle.OpenAsync(
                run, options.MaxBundleBytes, cancellation).ConfigureAwait(false);
            return bundle is not null
                && (head is null || string.Equals(bundle.Tip, head, StringComparison.Ordinal))
                && (await git.TakePackAsync(
                    target, bundle.Pack, options.MaxBundleBytes, options.WorkTimeout, cancellation)
                    .ConfigureAwait(false)).Succeeded;
        }
        catch (FailureException)
        {
            // It is no bundle any more; the mirror has what it was.
            return false;
        }
    }

    /// <summary>The refs that would stand in the way of a branch, as patterns for git: itself, what lies below it, and
    /// its parents.</summary>
    internal static IReadOnlyList<string> PatternsInTheWay(string branch)
    {
        var patterns = new List<string> { $"refs/heads/{branch}" };
        for (var slash = branch.LastIndexOf('/'); slash > 0; slash = branch.LastIndexOf('/', slash - 1))
        {
            // Without the brackets a parent would match everything below it; no branch name can hold one itself.
            patterns.Add($"refs/heads/{branch[..(slash - 1)]}[{branch[slash - 1]}]");
        }

        return patterns;
    }

    internal static GitRepository TargetOf(RunWorkspace run) =>
        run.Source.Kind == RepositoryKind.Path
            ? GitRepository.Users(run.Source.Location)
            : GitRepository.Ours(run.Mirror);

    private async Task<bool> IsAlreadyAsync(
        GitRepository target, string name, string head, CancellationToken cancellation)
    {
        var there = await git.ResolveCommitAsync(target, $"refs/heads/{name}", cancellation).ConfigureAwait(false);
        return there.Succeeded && string.Equals(there.Line, head, StringComparison.Ordinal);
    }

    internal static FailureException Failed(RunWorkspace run, GitResult result) => new(
        result.Problem == GitProblem.DiskFull ? "disk_full" : "delivery_failed",
        $"Bringing the branch {run.Branch} into {run.Source.Location} failed: {result.Excerpt}",
        $"The work is kept. When the repository is mended: {ByHand(run, run.Branch)}",
        Fault.User);

    /// <summary>The command that makes the branch by hand.</summary>
    internal static string ByHand(RunWorkspace run, string branch) => run.Source.Kind == RepositoryKind.Path
        ? $"git -C {ShellText.Quoted(run.Source.Location)} fetch {ShellText.Quoted(run.Mirror)} "
            + ShellText.Quoted($"{Mirror.HeadRef(run.RunId)}:refs/heads/{branch}")
        : $"git --git-dir={ShellText.Quoted(run.Mirror)} branch {ShellText.Quoted(branch)} {Mirror.HeadRef(run.RunId)}";
}
