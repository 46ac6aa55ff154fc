using System.Globalization;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Turns what the agent left in the workspace into commits and a bundle, by git commands inside the
/// sandbox.</summary>
/// <remarks>
/// (1) Commit what is in the workspace and in linked worktrees. (2) Find HEAD's work. (3) Take stock: what else is in
/// the repository gets a name. (4) Write the bundle. What comes into no bundle is named, and the workspace is kept.
/// What cannot be captured is a value, never an exception: the run has ended as it has.
/// </remarks>
internal sealed class WorkCapture(
    CaptureStep step, RunDirectory directory, RunProcesses processes, TimeProvider time, Redactor redactor,
        CaptureBounds bounds)
{
    private static readonly TimeSpan KillGrace = TimeSpan.FromSeconds(5);

    private readonly CaptureGit git = new(step, directory, processes, time, redactor, bounds);
    private readonly CaptureFindings findings = new();
    private readonly HashSet<string> unused = new(StringComparer.Ordinal);
    private bool hasAttributes;

    /// <summary>Ends what git left running. Default: every process that is below this one.</summary>
    internal Action? EndOthers { get; init; }

    /// <summary>Does it.</summary>
    /// <param name="notice">Takes a sentence that people should read.</param>
    internal CaptureRecord Run(Action<string> notice)
    {
        try
        {
            StaleLocks.Remove(directory.Workspace);
            var look = new GitFolderLook(directory.Workspace, findings);
            var unfinished = look.Unfinished();
            var worktrees = look.Worktrees();
            var began = LoneBranch.Commit(directory.Workspace);
            var committed = CommitAll(look, worktrees);
            var lone = worktrees.Count == 0 ? LoneBranch.Commit(directory.Workspace) : null;
            if (unfinished.Count > 0)
            {
                findings.Say($"The agent ended in the middle of {string.Join(" and ", unfinished)}.");
            }

            // First, for it tells best where the repository is not the run's any more.
            var head = NewHead(lone, isOurs: committed && IsBase(began));
            if (!committed && head is null && lone is null)
            {
                head = StrayHead(notice);
            }

            if (head is null && !IsBase(lone))
            {
                SayMovedBack(lone);
            }

            if (head is not null && hasAttributes)
            {
                new RawLfsFiles(git, findings).Say();
            }

            var inventory = TakeStock(look, worktrees, head, isAlone: lone is not null);
            if (head is null && inventory.Names.Count == 0)
            {
                return new CaptureRecord(CaptureState.Unchanged, Failure: findings.Incomplete)
                {
                    Remarks = findings.Remarks,
                };
            }

            inventory.MakeRefs();
            WriteBundle([.. head is null ? [] : (string[])["HEAD"], .. inventory.Names.Keys]);
            return new CaptureRecord(CaptureState.Bundled, committed, findings.Incomplete)
            {
                Remarks = findings.Remarks,
            };
        }
        catch (FailureException failed)
        {
            return new CaptureRecord(CaptureState.Failed, Failure: failed.Failure) { Remarks = findings.Remarks };
        }
        finally
        {
            // Filters of the agent's may have left something running.
            (EndOthers ?? (() => _ = processes.KillAll(KillGrace)))();
        }
    }

    private bool CommitAll(GitFolderLook look, IReadOnlyList<LinkedWorktree> worktrees)
    {
        var inside = step.Workspace + "/";
        List<string> apart =
        [
            .. from tree in worktrees
               where tree.Path?.StartsWith(inside, StringComparison.Ordinal) == true
               select tree.Path![inside.Length..],
        ];
        var main = new WorkTree(directory.Workspace, step.Workspace, $"{step.Workspace}/.git");
        var committed = Commit(look, main, apart);
        foreach (var tree in worktrees)
        {
            CommitLinked(look, tree, inside);
        }

        return committed;
    }

    private bool Commit(GitFolderLook look, WorkTree tree, IReadOnlyCollection<string> apart)
    {
        var staged = new StagedWork(git, tree, findings, bounds.Since);
        var committed = staged.Commit(apart, look);
        hasAttributes |= staged.HasAttributes;
        unused.UnionWith(staged.Unused);
        return committed;
    }

    // One in the workspace is committed like the workspace. Of one elsewhere the files may be gone with the sandbox.
    private void CommitLinked(GitFolderLook look, LinkedWorktree tree, string inside)
    {
        var shown = RawPath.Show(tree.Path ?? tree.Id);
        if (tree.Path is null)
        {
            findings.Keep($"the worktree {shown}, whose place cannot be read");
            return;
        }

        var outside = tree.Path.StartsWith(inside, StringComparison.Ordinal)
            && WorkspaceWalk.HasEntries(directory.Workspace, tree.Path[inside.Length..])
            ? Path.Combine(directory.Workspace, RawPath.ToText(tree.Path[inside.Length..]))
            : null;
        try
        {
            var folder = $"{step.Workspace}/.git/worktrees/{RawPath.ToText(tree.Id)}";
            _ = Commit(look, new WorkTree(outside, RawPath.ToText(tree.Path), folder), []);
        }
        catch (FailureException failed) when (!git.IsOver)
        {
            findings.Keep(
                $"what was not committed in the worktree {shown}: its files are gone ({git.Short(failed.Message)})");
        }
    }

    private WorkInventory TakeStock(
        GitFolderLook look, IReadOnlyList<LinkedWorktree> worktrees, string? head, bool isAlone)
    {
        var inventory = new WorkInventory(git, look, findings) { Head = head, IsAlone = isAlone };
        if (look.HasModules())
        {
            findings.Keep("repositories of submodules in .git/modules");
        }

        try
        {
            inventory.Take(worktrees, unused);
        }
        catch (FailureException failed) when (!git.IsOver)
        {
            findings.Keep($"what else is in .git, which could not be looked through ({failed.Failure.Message})");
        }

        return inventory;
    }

    private void WriteBundle(IReadOnlyList<string> refs)
    {
        string[] excluded = step.BaseCommit is null ? [] : ["--not", step.BaseCommit];
        var written = git.Run(new GitRequest
        {
            Purpose = "write the bundle",
            Arguments = ["bundle", "create", "--quiet", step.Bundle, .. refs, .. excluded], OrBroken = true,
        });
        if (written.Code != 0)
        {
            throw git.Failed("write the bundle", written);
        }
    }

    private bool IsBase(string? commit) =>
        step.BaseCommit is not null && string.Equals(commit, step.BaseCommit, StringComparison.Ordinal);

    // Nothing of it is work, and yet it is not what the run began from.
    private void SayMovedBack(string? lone)
    {
        var at = lone ?? (step.BaseCommit is null ? string.Empty
            : Try("find the head", ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).Output.Trim());
        if (at.Length > 0 && !IsBase(at))
        {
            findings.Say($"HEAD was moved back to {at}, below the base {step.BaseCommit}; no branch was made for it.");
        }
    }

    /// <summary>The commit of HEAD where it is new, or null.</summary>
    /// <param name="lone">Where HEAD is, where that is known without git.</param>
    /// <param name="isOurs">Whether capture has just made that commit upon the base.</param>
    private string? NewHead(string? lone, bool isOurs)
    {
        if (lone is not null && (isOurs || IsBase(lone)))
        {
            return isOurs ? lone : null;
        }

        string[] excluded = step.BaseCommit is null ? [] : ["--not", step.BaseCommit];
        var result = Try("find the new commits", ["rev-list", "--max-count=1", "HEAD", .. excluded]);
        if (result.Code == 0)
        {
            return result.Output.Length == 0 ? null : result.Output.Trim();
        }

        if (step.BaseCommit is not null
            && Try("find the base", ["cat-file", "-e", $"{step.BaseCommit}^{{commit}}"]).Code != 0)
        {
            throw CaptureGit.Repository(
                $"no longer knows the commit {step.BaseCommit} that the run began from: its .git was replaced");
        }

        return Try("find the head", ["rev-parse", "--verify", "--quiet", "HEAD"]).Code == 0
            ? throw git.Failed("find the new commits", result)
            : null;
    }

    /// <summary>An agent may commit on a branch of its own and then leave it: the work is there, and HEAD is made to
    /// name it.</summary>
    private string? StrayHead(Action<string> notice)
    {
        string[] excluded = step.BaseCommit is null ? ["--remotes"] : [step.BaseCommit, "--remotes"];
        var since = bounds.Since.AddSeconds(-1).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var found = git.Run(
            "look for commits on other branches",
            ["rev-list", "--max-count=1", $"--since={since}", "--branches", "--not", .. excluded]).Output.Trim();
        if (found.Length == 0)
        {
            return null;
        }

        _ = git.Run("take the commits of another branch", ["update-ref", "--no-deref", "HEAD", found]);
        notice($"The agent left its commits on a branch that it was no longer on; {found} is taken as the result.");
        return found;
    }

    private CommandResult Try(string purpose, IReadOnlyList<string> arguments) =>
        git.Run(new GitRequest { Purpose = purpose, Arguments = arguments, OrBroken = true });
}
