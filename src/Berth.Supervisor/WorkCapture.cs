using System.ComponentModel;
using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Turns what the agent left in the workspace into commits and a bundle, by git commands inside the
/// sandbox.</summary>
/// <remarks>
/// The workspace and its .git are the agent's: every command names them outright, so that nothing is looked for
/// elsewhere, and switches off what would run on its own account. What cannot be captured is a value, never an
/// exception: the run has ended as it has.
/// </remarks>
internal sealed class WorkCapture(
    CaptureStep step, RunDirectory directory, RunProcesses processes, TimeProvider time, Redactor redactor,
        CaptureBounds bounds)
{
    private const int MostErrorText = 400;
    private const string EmbeddedWarning = "warning: adding embedded git repository: ";
    private static readonly TimeSpan KillGrace = TimeSpan.FromSeconds(5);

    private static readonly string[] Hardening =
    [
        "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.bare=false", "core.safecrlf=false",
            "commit.gpgsign=false",
        "gc.auto=0", "maintenance.auto=false", "safe.directory=*", "advice.addEmbeddedRepo=false",
    ];

    private readonly BoundedCommand command = new(processes, time);
    private readonly long began = time.GetTimestamp();

    /// <summary>Does it.</summary>
    /// <param name="notice">Takes a sentence that people should read.</param>
    internal CaptureRecord Run(Action<string> notice)
    {
        try
        {
            StaleLocks.Remove(directory.Workspace);
            var incomplete = Stage(notice);
            var committed = Commit();
            if (!committed && (NewHead() ?? StrayHead(notice)) is null)
            {
                return new CaptureRecord(CaptureState.Unchanged, Failure: incomplete);
            }

            WriteBundle();
            return new CaptureRecord(CaptureState.Bundled, committed, incomplete);
        }
        catch (FailureException failed)
        {
            return new CaptureRecord(CaptureState.Failed, Failure: failed.Failure);
        }
        finally
        {
            // Filters of the agent's may have left something running.
            _ = processes.KillAll(KillGrace);
        }
    }

    private static Failure Incomplete(string what) => new(
        "capture_incomplete", $"Not all that the agent left could be committed: {what}",
        "The workspace has the rest; look there before it is removed.", Fault.Agent);

    private Failure? Stage(Action<string> notice)
    {
        // With --ignore-errors a file that cannot be read costs that file, and not all of them.
        var result = Git("stage the changes", ["add", "--all", "--ignore-errors"], alsoExpected: 1);
        var lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var embedded = lines.Where(line => line.StartsWith(EmbeddedWarning, StringComparison.Ordinal))
            .Select(line => line[EmbeddedWarning.Length..]).ToList();
        if (embedded.Count > 0)
        {
            var what = $"{string.Join(", ", embedded)} is a repository of its own, "
                + "and only its commit's name is part of the result.";
            notice(what);
            return Incomplete(what);
        }

        return result.Code == 0 ? null
            : IsNoRoom(result.Error) ? throw Failed("stage the changes", result) : Incomplete(Short(result.Error));
    }

    private bool Commit()
    {
        // Most runs have left something, so it is committed without a look first; git says with 1 that it was nothing.
        var made = Git(
            "commit the changes",
            ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", "--allow-empty-message",
                $"--message={step.Message}"],
            alsoExpected: 1);
        return made.Code == 0 || (IsChanged() ? throw Failed("commit the changes", made) : false);
    }

    private bool IsChanged()
    {
        var changed = Git("look for changes", ["diff-index", "--cached", "--quiet", "HEAD", "--"], alsoExpected: 1,
            orBroken: true);
        if (changed.Code is not 0 and not 1)
        {
            // No commit yet on this branch: then whatever is staged is a change.
            var head = Git("look for the first commit", ["rev-parse", "--verify", "--quiet", "HEAD"], alsoExpected: 1);
            if (head.Code == 0)
            {
                throw Failed("look for changes", changed);
            }
        }

        return changed.Code switch
        {
            0 => false,
            1 => true,
            _ => Git("list what is staged", ["ls-files"]).Output.Length > 0,
        };
    }

    private void WriteBundle()
    {
        string[] excluded = step.BaseCommit is null ? [] : ["--not", step.BaseCommit];
        var written = Git(
            "write the bundle", ["bundle", "create", "--quiet", step.Bundle, "HEAD", .. excluded], orBroken: true);
        if (written.Code != 0)
        {
            // This tells it better where the repository is not the run's any more.
            _ = NewHead();
            throw Failed("write the bundle", written);
        }
    }

    /// <summary>The commit of HEAD where it is new, or null.</summary>
    private string? NewHead()
    {
        string[] excluded = step.BaseCommit is null ? [] : ["--not", step.BaseCommit];
        var result = Git("find the new commits", ["rev-list", "--max-count=1", "HEAD", .. excluded], orBroken: true);
        if (result.Code == 0)
        {
            return result.Output.Length == 0 ? null : result.Output.Trim();
        }

        if (step.BaseCommit is not null
            && Git("find the base", ["cat-file", "-e", $"{step.BaseCommit}^{{commit}}"], orBroken: true).Code != 0)
        {
            throw Repository(
                $"no longer knows the commit {step.BaseCommit} that the run began from: its .git was replaced");
        }

        if (Git("find the head", ["rev-parse", "--verify", "--quiet", "HEAD"], orBroken: true).Code == 0)
        {
            throw Failed("find the new commits", result);
        }

        return null;
    }

    /// <summary>An agent may commit on a branch of its own and then leave it: the work is there, and HEAD is made to
    /// name it.</summary>
    private string? StrayHead(Action<string> notice)
    {
        string[] excluded = step.BaseCommit is null ? ["--remotes"] : [step.BaseCommit, "--remotes"];
        var since = bounds.Since.AddSeconds(-1).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var found = Git(
            "look for commits on other branches",
            ["rev-list", "--max-count=1", $"--since={since}", "--branches", "--not", .. excluded]).Output.Trim();
        if (found.Length == 0)
        {
            return null;
        }

        _ = Git("take the commits of another branch", ["update-ref", "--no-deref", "HEAD", found]);
        notice($"The agent left its commits on a branch that it was no longer on; {found} is taken as the result.");
        return found;
    }

    private CommandResult Git(string purpose, string[] arguments, int? alsoExpected = null, bool orBroken = false)
    {
        IEnumerable<string> words =
        [
            .. step.Prefix, step.Git, "-C", step.Workspace, $"--git-dir={step.Workspace}/.git",
                $"--work-tree={step.Workspace}",
            .. Hardening.SelectMany(setting => new[] { "-c", setting }), .. arguments,
        ];
        var argv = words.ToList();
        CommandResult result;
        try
        {
            var start = new ChildProcessStart { FileName = argv[0], Arguments = argv[1..],
                Environment = Environment(), Root = step.Root,
                WorkingDirectory = step.Root is null ? null : "/" };
            result = command.Run(start, step.TimeLimit - time.GetElapsedTime(began),
                () => bounds.StopAsked() || bounds.IsFull());
        }
        catch (Exception notStarted) when (notStarted is Win32Exception or ArgumentException)
        {
            throw new FailureException(
                "capture_git_failed", $"To {purpose}, {argv[0]} was to be started: {notStarted.Message}",
                "Run `berth doctor`. The workspace is kept.", Fault.Operator, notStarted);
        }

        if (result.Stopped)
        {
            throw Stopped(purpose);
        }

        return result.Code == 0 || (result.Code is not null && (result.Code == alsoExpected || orBroken))
            ? result
            : throw Failed(purpose, result);
    }

    private Dictionary<string, string> Environment() => new(step.Environment, StringComparer.Ordinal)
    {
        ["GIT_AUTHOR_NAME"] = step.AuthorName,
        ["GIT_AUTHOR_EMAIL"] = step.AuthorEmail,
        ["GIT_COMMITTER_NAME"] = step.AuthorName,
        ["GIT_COMMITTER_EMAIL"] = step.AuthorEmail,
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_EDITOR"] = "true",
        ["LC_ALL"] = "C",
    };

    private static bool IsNoRoom(string error) => error.Contains("No space left on device", StringComparison.Ordinal)
        || error.Contains("Disk quota exceeded", StringComparison.Ordinal);

    private static FailureException NoRoom(string purpose) =>
        new(CaptureRoom.Full($"Git was to {purpose}, and the disk had no room for it."));

    private FailureException Stopped(string purpose) => bounds.IsFull() && !bounds.StopAsked()
        ? NoRoom(purpose)
        : bounds.StopAsked()
        ? new FailureException(
            "capture_cancelled", $"The run was cancelled by force while git was to {purpose}.",
            "The workspace is kept.", Fault.Nobody)
        : new FailureException(
            "capture_timed_out",
            $"Git was to {purpose}, and the {step.TimeLimit.TotalSeconds:0} s for all of capture were over.",
            "The workspace is kept. A very large file in it may be the reason.", Fault.Agent);

    private FailureException Failed(string purpose, CommandResult result) =>
        GitFolder.Defect(directory.Workspace) is { } defect
        ? Repository(defect)
        : IsNoRoom(result.Error)
        ? NoRoom(purpose)
        : new FailureException(
            "capture_git_failed",
            $"Git was to {purpose}, and ended with "
            + $"{result.Code?.ToString(CultureInfo.InvariantCulture) ?? "a signal"}: "
            + Short(result.Error),
            "The workspace is kept.", Fault.Agent);

    private static FailureException Repository(string defect) => new(
        "capture_repository_replaced", $"The repository in the workspace {defect}.",
        "The workspace is kept; the agent's files are there.", Fault.Agent);

    private string Short(string error)
    {
        var text = redactor.Redact(error).Trim().ReplaceLineEndings(" · ");
        return text.Length <= MostErrorText ? text : text[..MostErrorText] + "…";
    }
}

/// <summary>What bounds a capture besides its time limit.</summary>
/// <param name="Since">When the run began: commits from before it are not the run's.</param>
/// <param name="StopAsked">Whether it is to be given up.</param>
internal sealed record CaptureBounds(DateTimeOffset Since, Func<bool> StopAsked)
{
    /// <summary>Whether the disk has too little room left for more.</summary>
    public Func<bool> IsFull { get; init; } = () => false;
}
