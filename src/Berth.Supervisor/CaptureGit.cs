using System.ComponentModel;
using System.Globalization;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>One git command of capture.</summary>
internal sealed record GitRequest
{
    /// <summary>What it is for, as the end of "git was to …".</summary>
    internal required string Purpose { get; init; }

    /// <summary>The subcommand and its arguments.</summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>A second exit code that is no failure.</summary>
    internal int? AlsoExpected { get; init; }

    /// <summary>Whether every exit code is an answer.</summary>
    internal bool OrBroken { get; init; }

    /// <summary>Its standard input; null for none.</summary>
    internal byte[]? Input { get; init; }

    /// <summary>Takes all of its standard output as it comes.</summary>
    internal OutputReader? Reader { get; init; }

    /// <summary>Another work tree than the workspace, as git sees it.</summary>
    internal string? WorkTree { get; init; }

    /// <summary>Another git folder than the workspace's own, likewise.</summary>
    internal string? GitFolder { get; init; }

    /// <summary>Variables beside the usual ones.</summary>
    internal IReadOnlyDictionary<string, string> Variables { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>The git program inside the sandbox, after the agent's end.</summary>
/// <remarks>
/// The workspace and its .git are the agent's: every command names them outright, so that nothing is looked for
/// elsewhere, and switches off what would run on its own account.
/// </remarks>
internal sealed class CaptureGit(
    CaptureStep step, RunDirectory directory, RunProcesses processes, TimeProvider time, Redactor redactor,
    CaptureBounds bounds)
{
    private const int MaxErrorText = 400;
    private const string InputName = "capture-input";

    // Sparse checkout is said to be on so that git drops skip-worktree from every file that is there all the same; the
    // agent's own exclude file is not the repository's word.
    private static readonly string[] Hardening =
    [
        "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.bare=false", "core.safecrlf=false",
        "core.untrackedCache=false", "core.excludesFile=/dev/null", "core.quotePath=false",
        "core.checkStat=minimal", "core.trustctime=false",
        "core.sparseCheckout=true", "sparse.expectFilesOutsideOfPatterns=false",
        "commit.gpgsign=false", "tag.gpgsign=false", "core.commentChar=#", "log.showSignature=false",
        "submodule.recurse=false", "gc.auto=0", "maintenance.auto=false", "safe.directory=*",
        "advice.addEmbeddedRepo=false", "advice.updateSparsePath=false",
    ];

    private readonly BoundedCommand command = new(processes, time);
    private readonly long began = time.GetTimestamp();
    private bool isOutOfRoom;

    /// <summary>The step that it is part of.</summary>
    internal CaptureStep Step => step;

    /// <summary>Whether capture is to be given up.</summary>
    internal bool IsOver => isOutOfRoom || bounds.StopAsked() || time.GetElapsedTime(began) > step.TimeLimit;

    /// <summary>Runs one command.</summary>
    /// <exception cref="FailureException">It failed, or capture was to be given up.</exception>
    internal CommandResult Run(GitRequest request)
    {
        var result = Execute(request);
        if (result.Stopped)
        {
            throw Stopped(request.Purpose);
        }

        if (result.Code != 0 && IsNoRoom(result.Error))
        {
            throw NoRoom(request.Purpose);
        }

        return result.Code == 0
            || (result.Code is not null && (result.Code == request.AlsoExpected || request.OrBroken))
            ? result
            : throw Failed(request.Purpose, result);
    }

    private CommandResult Execute(GitRequest request)
    {
        var folder = request.WorkTree ?? step.Workspace;
        IEnumerable<string> words =
        [
            .. step.Prefix, step.Git, "-C", folder, $"--git-dir={request.GitFolder ?? $"{step.Workspace}/.git"}",
            $"--work-tree={folder}",
            .. Hardening.SelectMany(setting => new[] { "-c", setting }), .. request.Arguments,
        ];
        var argv = words.ToList();
        var input = request.Input is null ? null : Path.Combine(directory.Root, InputName);
        try
        {
            if (input is not null)
            {
                File.WriteAllBytes(input, request.Input!);
            }

            var start = new ChildProcessStart
            {
                FileName = argv[0], Arguments = argv[1..], Environment = Environment(request), Root = step.Root,
                WorkingDirectory = step.Root is null ? null : "/",
                Input = input is null ? ChildStdio.Null : ChildStdio.File(input),
            };
            var left = step.TimeLimit - time.GetElapsedTime(began);
            return command.Run(start, left, () => bounds.StopAsked() || bounds.IsFull(), request.Reader);
        }
        catch (Exception notStarted) when (notStarted is Win32Exception or ArgumentException)
        {
            throw new FailureException(
                "capture_git_failed", $"To {request.Purpose}, {argv[0]} was to be started: {notStarted.Message}",
                "Run `berth doctor`. The workspace is kept.", Fault.Operator, notStarted);
        }
        catch (IOException full) when (DiskSpace.IsFull(full))
        {
            throw NoRoom(request.Purpose);
        }
        catch (IOException unwritten)
        {
            throw new FailureException(
                "capture_git_failed", $"To {request.Purpose}, git's input could not be written: {unwritten.Message}",
                "The workspace is kept.", Fault.Operator, unwritten);
        }
        finally
        {
            if (input is not null)
            {
                File.Delete(input);
            }
        }
    }

    /// <summary>Runs a command without anything special.</summary>
    internal CommandResult Run(string purpose, params IReadOnlyList<string> arguments) =>
        Run(new GitRequest { Purpose = purpose, Arguments = arguments });

    /// <summary>Runs a command whose output is records that end with a NUL or a line's end.</summary>
    /// <param name="request">The command.</param>
    /// <param name="end">What ends a record.</param>
    /// <param name="record">Takes each, as <see cref="RawPath"/> text.</param>
    internal CommandResult Read(GitRequest request, char end, Action<string> record)
    {
        var kept = new MemoryStream();
        var result = Run(request with
        {
            Reader = part =>
            {
                for (var at = part.IndexOf((byte)end); at >= 0; at = part.IndexOf((byte)end))
                {
                    kept.Write(part[..at]);
                    record(RawPath.FromBytes(kept.GetBuffer().AsSpan(0, (int)kept.Length)));
                    kept.SetLength(0);
                    part = part[(at + 1)..];
                }

                kept.Write(part);
            },
        });
        if (kept.Length > 0)
        {
            record(RawPath.FromBytes(kept.GetBuffer().AsSpan(0, (int)kept.Length)));
        }

        return result;
    }

    /// <summary>A failure of a command.</summary>
    internal FailureException Failed(string purpose, CommandResult result) =>
        GitFolder.Defect(directory.Workspace) is { } defect
        ? Repository(defect)
        : new FailureException(
            "capture_git_failed",
            $"Git was to {purpose}, and ended with "
            + $"{result.Code?.ToString(CultureInfo.InvariantCulture) ?? "a signal"}: "
            + Short(result.Error),
            "The workspace is kept.", Fault.Agent);

    /// <summary>A workspace that is not the run's repository any more.</summary>
    internal static FailureException Repository(string defect) => new(
        "capture_repository_replaced", $"The repository in the workspace {defect}.",
        "The workspace is kept; the agent's files are there.", Fault.Agent);

    /// <summary>What git said, as part of a sentence.</summary>
    internal string Short(string error)
    {
        var text = redactor.Redact(error).Trim().ReplaceLineEndings(" · ");
        return text.Length <= MaxErrorText ? text : text[..MaxErrorText] + "…";
    }

    private Dictionary<string, string> Environment(GitRequest request)
    {
        var all = new Dictionary<string, string>(step.Environment, StringComparer.Ordinal)
        {
            ["GIT_AUTHOR_NAME"] = step.AuthorName,
            ["GIT_AUTHOR_EMAIL"] = step.AuthorEmail,
            ["GIT_COMMITTER_NAME"] = step.AuthorName,
            ["GIT_COMMITTER_EMAIL"] = step.AuthorEmail,
            ["GIT_TERMINAL_PROMPT"] = "0",
            ["GIT_EDITOR"] = "true",
            ["LC_ALL"] = "C",
        };
        foreach (var (name, value) in request.Variables)
        {
            all[name] = value;
        }

        return all;
    }

    private static bool IsNoRoom(string error) => error.Contains("No space left on device", StringComparison.Ordinal)
        || error.Contains("Disk quota exceeded", StringComparison.Ordinal);

    private FailureException NoRoom(string purpose)
    {
        isOutOfRoom = true;
        return new(CaptureRoom.Full($"Git was to {purpose}, and the disk had no room for it."));
    }

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
}

/// <summary>What bounds a capture besides its time limit.</summary>
/// <param name="Since">When the run began: commits from before it are not the run's.</param>
/// <param name="StopAsked">Whether it is to be given up.</param>
internal sealed record CaptureBounds(DateTimeOffset Since, Func<bool> StopAsked)
{
    /// <summary>Whether the disk has too little room left for more.</summary>
    public Func<bool> IsFull { get; init; } = () => false;
}

/// <summary>A path of the agent's as text, one character for each byte: it need not be UTF-8, and must come back as the
/// same bytes.</summary>
internal static class RawPath
{
    private const int MaxShown = 200;

    internal static string FromBytes(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    internal static byte[] ToBytes(string path) => Encoding.Latin1.GetBytes(path);

    /// <summary>Records as git takes them with <c>-z</c>.</summary>
    internal static byte[] Records(IReadOnlyList<string> records) =>
        ToBytes(string.Concat(records.Select(record => record + '\0')));

    /// <summary>The path as a program is given it; not the same bytes where they are not UTF-8.</summary>
    internal static string ToText(string path) => Encoding.UTF8.GetString(ToBytes(path));

    /// <summary>The path for people, on one line.</summary>
    internal static string Show(string path)
    {
        var text = ToText(path);
        text = string.Concat(text.Select(letter => char.IsControl(letter) ? '?' : letter));
        return text.Length <= MaxShown ? text : $"{text[..(MaxShown / 2)]}…{text[^(MaxShown / 2)..]}";
    }
}

/// <summary>What capture found that is not on a branch.</summary>
internal sealed class CaptureFindings
{
    private const int MaxSaid = 20;

    private readonly List<string> kept = [];
    private readonly List<string> said = [];
    private int unsaid;

    /// <summary>Sentences that people should read, although nothing is kept for them.</summary>
    internal IReadOnlyList<string> Remarks => said;

    /// <summary>Something stays in the workspace, for it is nowhere else.</summary>
    /// <param name="what">What it is, without a full stop.</param>
    internal void Keep(string what)
    {
        if (kept.Contains(what, StringComparer.Ordinal))
        {
            return;
        }

        if (kept.Count < MaxSaid)
        {
            kept.Add(what);
        }
        else
        {
            unsaid++;
        }
    }

    /// <summary>Something is worth knowing.</summary>
    /// <param name="sentence">The whole sentence.</param>
    internal void Say(string sentence)
    {
        if (said.Count < MaxSaid && !said.Contains(sentence, StringComparer.Ordinal))
        {
            said.Add(sentence);
        }
    }

    /// <summary>Why the workspace has to stay, or null.</summary>
    internal Failure? Incomplete => kept.Count == 0 ? null : new Failure(
        "capture_incomplete",
        $"Not all that the agent left is on a branch: {string.Join("; ", kept)}"
            + (unsaid > 0 ? $"; and {unsaid.ToString(CultureInfo.InvariantCulture)} more." : "."),
        "The workspace is kept and has the rest; look there before it is removed.", Fault.Agent);
}
