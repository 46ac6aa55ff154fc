using System.Globalization;

namespace Berth.Engine.Git;

// What we ask of a repository without changing it.
internal sealed partial class GitProgram
{
    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(20);

    /// <summary>The commit that a revision names.</summary>
    internal Task<GitResult> ResolveCommitAsync(
        GitRepository repository, string revision, CancellationToken cancellation) => RunAsync(
        repository.Call("rev-parse", "--verify", "--end-of-options", revision + "^{commit}"), cancellation);

    /// <summary>The object that a revision names.</summary>
    internal Task<GitResult> ResolveAsync(
        GitRepository repository, string revision, CancellationToken cancellation) => RunAsync(
        repository.Call("rev-parse", "--verify", "--end-of-options", revision), cancellation);

    /// <summary>In one process what the usual repository answers to three questions, one a line: the commit that a
    /// revision names, the full name of what HEAD points to, then the refs that match. Anything else that it prints, or
    /// its failure, says no more than that they are to be asked one by one.</summary>
    internal Task<GitResult> GlanceAsync(
        GitRepository repository, string revision, IEnumerable<string> patterns, CancellationToken cancellation) =>
        RunAsync(
            repository.Call(
            [
                "rev-parse", revision + "^{commit}", "--symbolic-full-name", "HEAD",
                .. patterns.Select(pattern => "--glob=" + pattern),
            ]) with
            {
                MaxOutputBytes = 64 * 1024,
            },
            cancellation);

    /// <summary>The full name of the branch that HEAD points to, whether it has commits or not. Fails when
    /// detached.</summary>
    internal Task<GitResult> HeadBranchAsync(GitRepository repository, CancellationToken cancellation) => RunAsync(
        repository.Call("symbolic-ref", "--quiet", "HEAD"), cancellation);

    /// <summary>The refs that match any of the patterns, at most so many, one a line: object id, space, name.</summary>
    internal Task<GitResult> ListRefsAsync(
        GitRepository repository, IReadOnlyList<string> patterns, int most, CancellationToken cancellation) => RunAsync(
        repository.Call(
        [
            "for-each-ref", "--format=%(objectname) %(refname)",
            string.Create(CultureInfo.InvariantCulture, $"--count={most}"), "--",
            .. patterns,
        ]),
        cancellation);

    /// <summary>Some commit that a ref or a log of one names; nothing where there is none.</summary>
    internal Task<GitResult> FindCommitAsync(GitRepository repository, CancellationToken cancellation) => RunAsync(
        repository.Call("rev-list", "--all", "--reflog", "--max-count=1"), cancellation);

    /// <summary>The entry of a folder in a commit; nothing where there is none.</summary>
    internal Task<GitResult> FindFolderAsync(
        GitRepository repository, string commit, string folder, CancellationToken cancellation) => RunAsync(
        repository.Call("--literal-pathspecs", "ls-tree", "-d", "-z", "--full-tree", commit, "--", folder) with
        {
            MaxOutputBytes = 64 * 1024,
        },
        cancellation);

    /// <summary>All files of a commit, NUL-separated.</summary>
    internal Task<GitResult> ListFilesAsync(
        GitRepository repository, string commit, CancellationToken cancellation) => RunAsync(
        repository.Call("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit), cancellation);

    /// <summary>The uncommitted changes of a working tree, NUL-separated. Bounded in time and size: it is for
    /// information.</summary>
    internal Task<GitResult> StatusAsync(GitRepository repository, CancellationToken cancellation) => RunAsync(
        repository.Call("status", "--porcelain=v1", "-z", "--no-renames", "--ignore-submodules=all") with
        {
            Timeout = StatusTimeout,
            MaxOutputBytes = 4 * 1024 * 1024,
        },
        cancellation);

    /// <summary>Whether the history of these commits is complete, down to the last file.</summary>
    internal Task<GitResult> CheckConnectedAsync(
        string gitFolder, IEnumerable<string> commits, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call("rev-list", "--objects", "--quiet", "--stdin") with
        {
            Input = string.Join('\n', commits) + "\n",
            Timeout = timeout,
        },
        cancellation);

    /// <summary>Whether a pack and its index are whole.</summary>
    internal Task<GitResult> VerifyPackAsync(
        string index, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        new GitCall { Arguments = ["verify-pack", "--", index], Timeout = timeout }, cancellation);

    /// <summary>The refs of a repository that is elsewhere, at most a few kilobytes of them.</summary>
    internal Task<GitResult> ListRemoteAsync(
        string location, bool isGuarded, CancellationToken cancellation) => RunAsync(
        new GitCall
        {
            Arguments = ["ls-remote", "--quiet", "--refs", "--", location],
            Remote = location,
            AsUser = true,
            IsGuarded = isGuarded,
            MaxOutputBytes = 16 * 1024,
        },
        cancellation);

    /// <summary>Where the user's repository pushes to by default: the URL of <c>origin</c>, as it says
    /// itself.</summary>
    internal Task<GitResult> PushUrlAsync(GitRepository repository, CancellationToken cancellation) => RunAsync(
        repository.Call("remote", "get-url", "--push", "origin") with { AsUser = true }, cancellation);

    /// <summary>Where a URL leads once the user's own <c>insteadOf</c> is applied. Nothing is asked over the
    /// network.</summary>
    internal Task<GitResult> RewrittenAsync(string location, CancellationToken cancellation) => RunAsync(
        new GitCall { Arguments = ["ls-remote", "--get-url", "--", location], AsUser = true }, cancellation);

    /// <summary>Writes all that a push of a range sends: of each commit its message and people, then what it adds to
    /// each of its parents.</summary>
    internal Task<GitResult> WriteOutgoingAsync(
        string gitFolder, string range, Stream output, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call(
        [
            "log", "--format=tformat:%x00c%H%n%an%n%ae%n%cn%n%ce%n%B%n%x00d", "-m", "--root", "--patch", "--unified=0",
            "--text", "--no-renames", "--no-color", "--no-notes", "--no-mailmap", "--submodule=short", "--full-index",
            .. NothingRun, "--end-of-options", range,
        ]) with
        {
            IsAgents = true,
            OutputStream = output,
            MaxOutputBytes = long.MaxValue,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>How many commits are in one history and not in the other.</summary>
    internal Task<GitResult> CountCommitsAsync(
        string gitFolder, string range, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call("rev-list", "--count", "--end-of-options", range) with
        {
            IsAgents = true,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>The newest commits of a range: id, NUL, subject, NUL.</summary>
    internal Task<GitResult> LogAsync(
        string gitFolder, string range, int most, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call(
            "log", "-z", "--format=tformat:%H%x00%<(1000,trunc)%s", "--encoding=UTF-8", "--no-color", "--no-notes",
            "--no-mailmap",
            string.Create(CultureInfo.InvariantCulture, $"--max-count={most}"), "--end-of-options", range) with
        {
            IsAgents = true,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>The files that differ, NUL-separated: first all raw entries, then all line counts.</summary>
    internal Task<GitResult> DiffFilesAsync(
        string gitFolder, string from, string to, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call(
        [
            "diff-tree", "-r", "-z", "-M", "-l1000", "--raw", "--numstat", .. NothingRun, "--end-of-options", from, to,
        ]) with
        {
            IsAgents = true,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>Writes the difference as a patch that can be applied, or as a table of the files.</summary>
    internal Task<GitResult> WriteDiffAsync(
        GitRepository repository,
        (string From, string To) commits,
        DiffOrder order,
        (Stream Stream, long Most) output,
        CancellationToken cancellation) => WriteAsync(
        repository,
        [
            "diff-tree", "-r", "-M", "-l1000", .. order.Form == DiffForm.Stat ? StatFormat : PatchFormat, "--no-color",
            .. NothingRun, "--end-of-options", commits.From, commits.To,
            .. order.File is { } file ? ["--", $":(literal){file}"] : Array.Empty<string>(),
        ],
        output,
        cancellation);

    /// <summary>Writes the commits of a range as mails, as <c>git am</c> takes them.</summary>
    /// <param name="repository">Where they are.</param>
    /// <param name="commits">From which commit on, or null for the first, to which.</param>
    /// <param name="output">Where to, and how much at most.</param>
    /// <param name="cancellation">Gives up.</param>
    internal Task<GitResult> WriteMailsAsync(
        GitRepository repository,
        (string? From, string To) commits,
        (Stream Stream, long Most) output,
        CancellationToken cancellation) => WriteAsync(
        repository,
        [
            "format-patch", "--stdout", "--no-signature", "-M", "-l1000", .. PatchFormat[1..], "--no-color",
            .. NothingRun, .. commits.From is null ? ["--root"] : Array.Empty<string>(), "--end-of-options",
            commits.From is { } from ? $"{from}..{commits.To}" : commits.To,
        ],
        output,
        cancellation);

    private Task<GitResult> WriteAsync(
        GitRepository repository, string[] arguments, (Stream Stream, long Most) output,
        CancellationToken cancellation) => RunAsync(
        repository.Call(arguments) with
        {
            IsAgents = true,
            OutputStream = output.Stream,
            MaxOutputBytes = output.Most,
            Timeout = TimeSpan.FromMinutes(10),
        },
        cancellation);

    private static readonly string[] NothingRun = ["--no-ext-diff", "--no-textconv"];

    private static readonly string[] PatchFormat = ["--patch", "--binary", "--full-index"];

    private static readonly string[] StatFormat = ["--stat=100,80", "--summary"];
}
