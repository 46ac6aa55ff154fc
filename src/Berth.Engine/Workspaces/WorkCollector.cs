using System.Globalization;
using Berth.Engine.Git;

namespace Berth.Engine.Workspaces;

/// <summary>Takes a run's commits into the mirror and reads there what they are. The workspace itself is not
/// touched.</summary>
internal sealed class WorkCollector(WorkspaceOptions options, GitProgram git)
{
    // The trees without entries, which git knows without having them.
    private const string EmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    private const string WideEmptyTree = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

    /// <summary>Takes the bundle's pack in and pins its tip.</summary>
    /// <returns>What git said when it could not be taken; null when all is well.</returns>
    internal async Task<GitResult?> TakeAsync(RunWorkspace run, WorkBundle bundle, CancellationToken cancellation)
    {
        var here = GitRepository.Ours(run.Mirror);
        var taken = await git.TakePackAsync(
            here, bundle.Pack, options.MaxBundleBytes, options.WorkTimeout, cancellation)
            .ConfigureAwait(false);
        if (!taken.Succeeded)
        {
            return taken;
        }

        var refs = new RefDelivery(options, git);
        if (await refs.PinAsync(run, bundle.Refs, cancellation).ConfigureAwait(false) is { } unpinned)
        {
            return unpinned;
        }

        if (bundle.Tip is not { } tip)
        {
            return null;
        }

        var commit = await git.ResolveCommitAsync(here, tip, cancellation).ConfigureAwait(false);
        var pinned = !commit.Succeeded || !string.Equals(commit.Line, tip, StringComparison.Ordinal)
            ? commit
            : await git.UpdateRefAsync(
                here, Mirror.HeadRef(run.RunId), tip, mustBeNew: false, cancellation).ConfigureAwait(false);
        return pinned.Succeeded ? null : pinned;
    }

    /// <summary>Reads the run's commits and files, or null where it has no commit of its own.</summary>
    internal async Task<CollectedWork?> ReadAsync(RunWorkspace run, string head, CancellationToken cancellation)
    {
        var range = run.BaseCommit is { } from ? $"{from}..{head}" : head;
        var log = git.LogAsync(run.Mirror, range, options.MaxCommits, options.WorkTimeout, cancellation);
        var diff = git.DiffFilesAsync(run.Mirror, BaseTree(run, head), head, options.WorkTimeout, cancellation);
        await Task.WhenAll(log, diff).ConfigureAwait(false);
        var commits = ReadCommits(Checked(await log.ConfigureAwait(false), "Reading the run's commits"));
        if (commits.Count == 0)
        {
            return null;
        }

        var count = commits.Count;
        if (count == options.MaxCommits)
        {
            var counted = await git.CountCommitsAsync(
                run.Mirror, range, options.WorkTimeout, cancellation).ConfigureAwait(false);
            count = int.Parse(Checked(counted, "Counting the run's commits").Line, CultureInfo.InvariantCulture);
        }

        var files = ChangedFiles.Read(Checked(await diff.ConfigureAwait(false), "Reading the run's changes").Text);
        return new CollectedWork
        {
            HeadCommit = head,
            Commits = commits,
            CommitCount = count,
            FilesChanged = [.. files.Take(options.MaxFiles)],
            FileCount = files.Count,
        };
    }

    /// <summary>Writes the difference between base and head, from wherever the two are still to be had.</summary>
    internal async Task<DiffWritten> WriteDiffAsync(
        RunWorkspace run, string head, DiffOrder order, Stream output, CancellationToken cancellation)
    {
        if (await HolderOfAsync(run, head, cancellation).ConfigureAwait(false) is not { } holder)
        {
            return new DiffWritten(HasWork: false, Truncated: false);
        }

        var to = (output, options.MaxDiffBytes);
        var writing = order.Form == DiffForm.Mails
            ? git.WriteMailsAsync(holder, (run.BaseCommit, head), to, cancellation)
            : git.WriteDiffAsync(holder, (BaseTree(run, head), head), order, to, cancellation);
        var result = await writing.ConfigureAwait(false);
        return result.Process.End == Processes.ProcessEnd.OutputLimit
            ? new DiffWritten(HasWork: true, Truncated: true)
            : new DiffWritten(Checked(result, "Writing the run's diff").Succeeded, Truncated: false);
    }

    // Our own repository, or the user's: the branch was delivered there, and a run's own repository goes at its end.
    private async Task<GitRepository?> HolderOfAsync(RunWorkspace run, string head, CancellationToken cancellation)
    {
        List<GitRepository> places = [GitRepository.Ours(run.Mirror)];
        if (run.Source.Kind == RepositoryKind.Path)
        {
            places.Add(GitRepository.Users(run.Source.Location));
        }

        foreach (var place in places.Where(place => Directory.Exists(place.Path)))
        {
            var found = await git.ResolveCommitAsync(place, head, cancellation).ConfigureAwait(false);
            if (found.Succeeded)
            {
                return place;
            }
        }

        return null;
    }

    private static GitResult Checked(GitResult result, string attempted) =>
        result.Succeeded ? result : throw GitFailures.OfOurs(attempted, result);

    private static string BaseTree(RunWorkspace run, string head) =>
        run.BaseCommit ?? (head.Length > EmptyTree.Length ? WideEmptyTree : EmptyTree);

    private static List<WorkCommit> ReadCommits(GitResult log)
    {
        var parts = log.Text.Split('\0');
        var commits = new List<WorkCommit>(parts.Length / 2);
        for (var i = 0; i + 1 < parts.Length; i += 2)
        {
            commits.Add(new WorkCommit(parts[i], parts[i + 1].TrimEnd(' ')));
        }

        return commits;
    }
}
