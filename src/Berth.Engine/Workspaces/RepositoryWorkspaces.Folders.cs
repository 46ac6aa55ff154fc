using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

// What is asked of a repository before a run: its folders, its push URL, and whether it has anything at all.
internal sealed partial class RepositoryWorkspaces
{
    /// <summary>The most folders whose instructions are read beside those of the top.</summary>
    internal const int MostInstructionFolders = 40;

    private const string Rules = ".claude/rules/";
    private static readonly string[] Instructions = ["CLAUDE.md", ".claude/CLAUDE.md"];

    /// <summary>Whether a commit of the user's repository has a folder. A link or a submodule is none.</summary>
    internal Task<bool> HasFolderAsync(
        RepositorySource source, string commit, string folder, CancellationToken cancellation) =>
        HasFolderAsync(GitRepository.Users(source.Location), commit, folder, cancellation);

    /// <summary>The same in the repository of a run.</summary>
    internal Task<bool> HasFolderAsync(RunWorkspace run, string folder, CancellationToken cancellation) =>
        run.BaseCommit is { } commit
            ? HasFolderAsync(GitRepository.Ours(run.Mirror), commit, folder, cancellation)
            : Task.FromResult(folder.Length == 0);

    /// <summary>The folders below the top that have instructions for Claude of their own: first those on the way to
    /// where the run begins, then the others, higher ones first.</summary>
    /// <returns>Paths below the top, and whether there are more than are read.</returns>
    internal async Task<(IReadOnlyList<string> Folders, bool HasMore)> InstructionFoldersAsync(
        RunWorkspace run, string directory, CancellationToken cancellation)
    {
        if (run.BaseCommit is not { } commit)
        {
            return ([], false);
        }

        var listed = await git.ListFilesAsync(
            GitRepository.Ours(run.Mirror), commit, cancellation).ConfigureAwait(false);
        var folders = listed.Text.Split('\0').Select(FolderOf).OfType<string>().Where(folder => folder.Length > 0)
            .Distinct(StringComparer.Ordinal)
            .OrderBy(folder => IsOnTheWay(folder, directory) ? 0 : 1)
            .ThenBy(folder => folder.Count(letter => letter == '/'))
            .ThenBy(folder => folder, StringComparer.Ordinal)
            .ToList();
        var hasMore = folders.Count > MostInstructionFolders || !listed.Succeeded;
        return ([.. folders.Take(MostInstructionFolders)], hasMore);
    }

    /// <summary>Where a push of a run's branch goes: the URL itself, or the <c>origin</c> of the user's
    /// repository; with what the user's <c>insteadOf</c> and <c>pushInsteadOf</c> make of it, for the push itself goes
    /// without his configuration.</summary>
    /// <exception cref="FailureException"><c>push_remote_missing</c>, <c>push_remote_refused</c>,
    /// <c>credentials_in_url</c>.</exception>
    internal async Task<string> PushRemoteAsync(RepositorySource source, CancellationToken cancellation)
    {
        var isUrl = source.Kind == RepositoryKind.Url;
        var found = await (isUrl
            ? git.RewrittenAsync(source.Location, cancellation)
            : git.PushUrlAsync(GitRepository.Users(source.Location), cancellation)).ConfigureAwait(false);
        if (!found.Succeeded)
        {
            throw new FailureException(
                "push_remote_missing",
                $"{source.Location} has no remote 'origin' that a branch could be pushed to.",
                "git remote add origin URL, or leave out --push.",
                Fault.User);
        }

        try
        {
            // Also a path, where the user's configuration leads there.
            return RepositorySource.Parse(found.Line, isUrl ? "/" : source.Location).Location;
        }
        catch (FailureException refused) when (refused.Failure.Code is not "credentials_in_url")
        {
            throw new FailureException(
                "push_remote_refused",
                $"A branch of {source.Location} could not be pushed where git would push it: {refused.Failure.Message}",
                "Look at 'git remote -v', and at url.*.insteadOf and url.*.pushInsteadOf in your git configuration. "
                    + refused.Failure.Hint,
                refused.Failure.Fault,
                refused);
        }
    }

    private async Task<bool> HasFolderAsync(
        GitRepository repository, string commit, string folder, CancellationToken cancellation)
    {
        if (folder.Length == 0)
        {
            return true;
        }

        var found = await git.FindFolderAsync(repository, commit, folder, cancellation).ConfigureAwait(false);
        return found.Succeeded && found.Text.StartsWith("040000 tree ", StringComparison.Ordinal);
    }

    // A clone may have no branch and still a history: remote-tracking refs, tags, notes, what was fetched, or a branch
    // that was deleted. Only where there is none of it is the first commit a run's to make.
    private async Task<bool> IsEmptyAsync(GitRepository users, CancellationToken cancellation)
    {
        var any = await git.ListRefsAsync(users, ["refs"], 1, cancellation).ConfigureAwait(false);
        if (!any.Succeeded || any.Text.Length > 0 || any.Process.Error.Length > 0)
        {
            // On standard error it says which refs are broken and passed over.
            return false;
        }

        var logged = await git.FindCommitAsync(users, cancellation).ConfigureAwait(false);
        var fetched = await git.ResolveCommitAsync(users, "FETCH_HEAD", cancellation).ConfigureAwait(false);
        return logged.Succeeded && logged.Text.Length == 0 && !fetched.Succeeded;
    }

    private static string? FolderOf(string file)
    {
        foreach (var name in Instructions)
        {
            if (string.Equals(file, name, StringComparison.Ordinal))
            {
                return string.Empty;
            }

            if (file.EndsWith("/" + name, StringComparison.Ordinal))
            {
                var folder = file[..^(name.Length + 1)];
                return folder.EndsWith("/.claude", StringComparison.Ordinal) || folder is ".claude" ? null : folder;
            }
        }

        var rules = file.EndsWith(".md", StringComparison.Ordinal)
            ? file.LastIndexOf("/" + Rules, StringComparison.Ordinal)
            : -1;
        return rules < 0 ? null : file[..rules];
    }

    private static bool IsOnTheWay(string folder, string directory) =>
        string.Equals(folder, directory, StringComparison.Ordinal)
        || directory.StartsWith(folder + "/", StringComparison.Ordinal);
}
