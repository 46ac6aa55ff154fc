using System.Text;
using System.Text.RegularExpressions;
using Berth.Engine.Processes;

namespace Berth.Engine.Git;

/// <summary>What kind of thing went wrong, read from what git said.</summary>
internal enum GitProblem
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The repository is not there.</summary>
    NotFound,

    /// <summary>The folder is there and is no repository, or not one of git's any more.</summary>
    NotARepository,

    /// <summary>The other side wants credentials, or does not take ours.</summary>
    Authentication,

    /// <summary>The other side does not prove who it is: an unknown host key, or a certificate that nobody here
    /// vouches for.</summary>
    Untrusted,

    /// <summary>The other side cannot be reached, or went away.</summary>
    Network,

    /// <summary>The branch, tag or commit is not there.</summary>
    RefMissing,

    /// <summary>Git refuses to make a ref that is there already, or stands in the way of one.</summary>
    RefExists,

    /// <summary>Objects or refs are damaged or missing.</summary>
    Corrupt,

    /// <summary>What was to be taken in breaks git's rules.</summary>
    BadObjects,

    /// <summary>A lock file is there.</summary>
    Locked,

    /// <summary>No space, or no quota, is left.</summary>
    DiskFull,

    /// <summary>Its memory was not enough: what an agent has made is read under a bound.</summary>
    OutOfMemory,

    /// <summary>The file system does not let us.</summary>
    Permission,

    /// <summary>The repositories name objects by different hashes.</summary>
    ObjectFormat,

    /// <summary>Its time was up.</summary>
    TimedOut,

    /// <summary>Something else.</summary>
    Other,
}

/// <summary>How a call of git ended.</summary>
internal sealed partial record GitResult(GitProblem Problem, ProcessResult Process)
{
    private const int MaxExcerpt = 500;

    // The first that matches counts, so what is more certain stands first. Git speaks English here: LC_ALL=C.
    private static readonly (GitProblem Problem, string[] Words)[] Signs =
    [
        (GitProblem.DiskFull, ["No space left on device", "Disk quota exceeded", "write error: No space"]),
        (GitProblem.OutOfMemory, ["Out of memory", "out of memory", "Cannot allocate memory", "unable to mmap"]),
        (GitProblem.ObjectFormat, ["mismatched algorithms", "unsupported object format",
            "unknown repository extension"]),
        (GitProblem.Corrupt, ["is corrupt", "corrupt loose", "inflate:", "does not match index", "is far too short"]),
        (GitProblem.Locked, [".lock': File exists", ".lock: File exists"]),
        (GitProblem.RefExists, ["reference already exists", "cannot create '", "exists; cannot create"]),
        (GitProblem.Untrusted,
            [
                "Host key verification failed", "certificate verification failed", "SSL certificate problem",
                "certificate subject name",
            ]),
        (GitProblem.Authentication,
            [
                "Authentication failed", "could not read Username", "could not read Password", "Permission denied (",
                "returned error: 401", "returned error: 403", "Too many authentication failures",
            ]),
        (GitProblem.NotFound, ["repository '", "does not appear to be a git repository", "Repository not found",
            "returned error: 404"]),
        (GitProblem.RefMissing,
            [
                "couldn't find remote ref", "not our ref", "unadvertised object", "Needed a single revision",
                "unknown revision",
                "not a valid object name", "expected commit type", "ambiguous argument",
            ]),
        (GitProblem.Network,
            [
                "Could not resolve host", "Connection refused", "Connection timed out", "Connection reset",
                "Operation timed out",
                "unable to access", "early EOF", "the remote end hung up", "Network is unreachable", "No route to host",
                "transfer closed", "RPC failed", "Operation too slow", "expected flush after",
                "Could not read from remote",
            ]),
        (GitProblem.Permission, ["Permission denied", "Read-only file system", "Operation not permitted"]),
        (GitProblem.BadObjects, ["fsck error", "unresolved deltas", "pack has bad object", "pack signature mismatch",
            "pack is corrupted"]),
        (GitProblem.NotARepository, ["not a git repository", "bad config", "Invalid gitfile", "cannot change to"]),
        (GitProblem.Corrupt,
            [
                "corrupt", "missing object", "nonexistent object", "bad object", "unable to read", "missing blob",
                "missing tree",
                "missing commit", "could not read", "inflate", "does not match index", "is far too short", "bad tree",
                "bad packed object",
                "Could not parse object", "Failed to traverse", "unable to parse", "broken", "not a valid object",
                "bad ref",
                "cannot lock ref", "cannot be used", "missing necessary objects", "object file",
                "revision walk setup failed",
                "does not point to a valid object",
            ]),
    ];

    internal bool Succeeded => Problem == GitProblem.None;

    /// <summary>Standard output as text; bytes that are no UTF-8 become U+FFFD.</summary>
    internal string Text => Encoding.UTF8.GetString(Process.Output.Span);

    /// <summary>Standard output where it is one line.</summary>
    internal string Line => Text.TrimEnd('\n');

    /// <summary>What git said of the failure: its own lines first, bounded, without credentials of any URL in
    /// it.</summary>
    internal string Excerpt
    {
        get
        {
            var lines = Process.Error.Split(
                '\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var telling = lines.Where(line => Telling().IsMatch(line)).ToList();
            var text = Credentials().Replace(string.Join(" | ", telling.Count > 0 ? telling : [.. lines]), "://");
            return text.Length > MaxExcerpt ? text[..MaxExcerpt] + " …" : text.Length == 0 ? HowItEnded : text;
        }
    }

    private string HowItEnded => Process.Signal is { } signal ? $"signal {signal}" : $"exit code {Process.ExitCode}";

    internal static GitResult Of(ProcessResult process) => new(Classify(process), process);

    private static GitProblem Classify(ProcessResult process)
    {
        if (process.Succeeded)
        {
            return GitProblem.None;
        }

        if (process.End == ProcessEnd.TimedOut)
        {
            return GitProblem.TimedOut;
        }

        foreach (var (problem, words) in Signs)
        {
            if (words.Any(word => process.Error.Contains(word, StringComparison.Ordinal)))
            {
                return problem;
            }
        }

        return GitProblem.Other;
    }

    [GeneratedRegex("^(fatal|error|remote|warning): |^ssh: |^Host key |denied",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Telling();

    [GeneratedRegex(@"://[^/\s'@]*@", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Credentials();
}
