using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Makes the workspace: an independent repository that borrows its objects from the mirror.</summary>
/// <remarks>
/// What <c>git clone --shared</c> would make is a handful of small files, and three quarters of its time are processes
/// that find out what
/// is known here already; so the files are written as gitrepository-layout(5) has them, and git only checks the commit
/// out. There are no
/// hooks and no templates in it, no identity of the host's user, and no remote that could be reached.
/// It is filled in its place, which a container may have mounted already, and its record is written last: a workspace
/// with a record is whole, and one without is emptied and filled anew.
/// </remarks>
internal sealed class WorkspaceBuilder(WorkspaceOptions options, GitProgram git, TimeProvider time)
{
    /// <summary>Makes it.</summary>
    /// <returns>What git said when the commit could not be checked out; null when all is well.</returns>
    internal async Task<GitResult?> BuildAsync(
        WorkspaceRequest request, RunWorkspace run, Mirror mirror, CancellationToken cancellation)
    {
        var place = request.RunDirectory.Workspace;
        var isWhole = false;

        // Who takes it ends the git that a killed host has left at work here.
        await using var held = await MirrorLock.TakeAsync(
            request.RunDirectory.WorkspaceLock, alone: true, options.LockTimeout, time,
            cancellation).ConfigureAwait(false);
        try
        {
            StoredWorkspace.Delete(request.RunDirectory);
            Empty(place);
            WriteFrame(place, request, run.BaseCommit, mirror);
            if (run.BaseCommit is { } baseCommit)
            {
                var filled = await git.CheckOutAsync(
                    place, baseCommit, options.WorkTimeout, held.Note, cancellation).ConfigureAwait(false);
                if (!filled.Succeeded)
                {
                    return filled;
                }
            }

            StoredWorkspace.Write(run);
            isWhole = true;
            return null;
        }
        catch (IOException full)
        {
            throw new FailureException(
                "workspace_failed",
                $"Making the workspace {place} failed: {full.Message}",
                "Free some space, or set another folder for run directories.",
                Fault.Operator,
                full);
        }
        finally
        {
            if (!isWhole)
            {
                Empty(place);
            }
        }
    }

    /// <summary>Ends the git that a killed host has left at work in a run's workspace.</summary>
    internal async Task AbandonAsync(RunDirectory directory, CancellationToken cancellation)
    {
        if (File.Exists(directory.WorkspaceLock))
        {
            await using var held = await MirrorLock.TryTakeAloneAsync(
                directory.WorkspaceLock, time, cancellation).ConfigureAwait(false);
        }
    }

    // The folder itself stays. No agent was ever in it.
    private static void Empty(string workspace)
    {
        foreach (var entry in Directory.CreateDirectory(workspace).EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo { LinkTarget: null } folder)
            {
                folder.Delete(recursive: true);
            }
            else
            {
                entry.Delete();
            }
        }
    }

    private static void WriteFrame(string workspace, WorkspaceRequest request, string? baseCommit, Mirror mirror)
    {
        var inside = Path.Combine(workspace, ".git");
        foreach (var folder in new[] { "objects/info", "objects/pack", "refs/heads", "refs/tags", "info" })
        {
            Directory.CreateDirectory(Path.Combine(inside, folder));
        }

        File.WriteAllText(Path.Combine(inside, "HEAD"), $"ref: refs/heads/{request.Branch}\n");
        File.WriteAllText(Path.Combine(inside, "config"), ConfigOf(request, baseCommit, mirror));
        File.WriteAllText(Path.Combine(inside, "objects", "info", "alternates"), mirror.Objects + "\n");
        var shallow = Path.Combine(mirror.Path, "shallow");
        if (File.Exists(shallow))
        {
            File.Copy(shallow, Path.Combine(inside, "shallow"));
        }

        if (baseCommit is not null)
        {
            var branch = Path.Combine(inside, "refs", "heads", request.Branch);
            Directory.CreateDirectory(Path.GetDirectoryName(branch)!);
            File.WriteAllText(branch, baseCommit + "\n");
        }
    }

    // The index is made by this user and read by the agent's: with all of a file's status compared, git would read
    // every file again to find that nothing but its owner is another.
    private static string ConfigOf(WorkspaceRequest request, string? baseCommit, Mirror mirror)
    {
        var wide = baseCommit?.Length > 40 || IsWide(mirror);
        var text = $"""
            [core]
            	repositoryformatversion = {(wide ? 1 : 0)}
            	filemode = true
            	bare = false
            	logallrefupdates = true
            	checkStat = minimal
            	trustctime = false
            [gc]
            	auto = 0

            """;
        text += wide ? "[extensions]\n\tobjectformat = sha256\n" : string.Empty;
        text += request.Source.Kind == RepositoryKind.Url
            ? $"[remote \"origin\"]\n\turl = {Quote(request.Source.Location)}\n" : string.Empty;
        return request.AuthorName is { } name
            ? text + $"[user]\n\tname = {Quote(name)}\n\temail = {Quote(request.AuthorEmail ?? "berth@localhost")}\n"
            : text;
    }

    private static bool IsWide(Mirror mirror) =>
        File.ReadAllText(Path.Combine(mirror.Path, "config")).Contains("sha256", StringComparison.Ordinal);

    private static string Quote(string value)
    {
        var escaped = value.Replace(
            "\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        return $"\"{escaped.Replace("\n", "\\n", StringComparison.Ordinal)}\"";
    }
}
