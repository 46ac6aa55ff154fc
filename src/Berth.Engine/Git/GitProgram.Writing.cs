using System.Globalization;
using Berth.Protocol.Posix;

namespace Berth.Engine.Git;

// What we ask of repositories of ours, and the two changes that are made in the user's: objects, and a new ref.
internal sealed partial class GitProgram
{
    // Real history holds such things, and they do no harm; everything else that git's checks call an error is one.
    private const string Strictness = "--strict=zeroPaddedFilemode=ignore,badTimezone=ignore,missingEmail=ignore,"
        + "missingNameBeforeEmail=ignore,missingSpaceBeforeDate=ignore,missingSpaceBeforeEmail=ignore,badDate=ignore,"
        + "gitmodulesParse=ignore";

    /// <summary>Makes an empty bare repository.</summary>
    internal Task<GitResult> InitBareAsync(
        string gitFolder, string objectFormat, CancellationToken cancellation) => RunAsync(
        new GitCall
        {
            Arguments =
            [
                "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format=" + objectFormat,
                "--",
                gitFolder,
            ],
            Mask = GitMask.OfOurs,
        },
        cancellation);

    /// <summary>Fetches refs into a repository of ours.</summary>
    internal Task<GitResult> FetchAsync(GitFetch fetch, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(fetch.GitFolder).Call(
        [
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow",
            .. fetch.Prune ? Pruned : [], .. fetch.Unshallow ? Unshallowed : [],
            "--", fetch.Location, .. fetch.Refs,
        ]) with
        {
            Remote = fetch.Network ? fetch.Location : null,
            AsUser = fetch.Network,
            IsGuarded = fetch.IsGuarded,
            Timeout = fetch.Timeout,
            Started = fetch.Started,
        },
        cancellation);

    /// <summary>Brings the objects of one of our refs into the user's repository. No ref of it changes.</summary>
    internal Task<GitResult> FetchObjectsAsync(
        GitRepository repository,
        string location,
        string reference,
        TimeSpan timeout,
        CancellationToken cancellation) => RunAsync(
        repository.Call(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--", location, reference) with
        {
            IsAgents = true,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>Makes a branch at a remote, which must not have one of that name but with this very commit. Nothing is
    /// ever forced, and nothing of the user's configuration counts.</summary>
    internal Task<GitResult> PushAsync(GitPush push, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(push.GitFolder).Call(
            "push", "--porcelain", "--no-verify", "--no-signed", "--recurse-submodules=no", "--no-follow-tags",
            $"--force-with-lease=refs/heads/{push.Branch}:", "--", push.Location,
            $"{push.Commit}:refs/heads/{push.Branch}") with
        {
            IsAgents = true,
            Remote = push.Location,
            IsGuarded = push.IsGuarded,
            Timeout = push.Timeout,
        },
        cancellation);

    /// <summary>Makes a ref that must not be there yet, or sets one whatever it was.</summary>
    internal Task<GitResult> UpdateRefAsync(
        GitRepository repository,
        string name,
        string commit,
        bool mustBeNew,
        CancellationToken cancellation) => RunAsync(
        repository.Call(
        [
            "update-ref", "--no-deref", "-m", "berth", "--end-of-options", name, commit,
            .. mustBeNew ? [new string('0', commit.Length)] : Array.Empty<string>(),
        ]),
        cancellation);

    /// <summary>Removes refs of ours; those that are not there are no matter.</summary>
    internal Task<GitResult> DeleteRefsAsync(
        string gitFolder, IEnumerable<string> names, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call("update-ref", "--no-deref", "--stdin", "-z") with
        {
            Input = string.Concat(names.Select(name => $"delete {name}\0\0")),
        },
        cancellation);

    /// <summary>Fills a new workspace of ours with the files of a commit.</summary>
    internal Task<GitResult> CheckOutAsync(
        string workspace, string commit, TimeSpan timeout, Action<int> started, CancellationToken cancellation) =>
        RunAsync(
        new GitCall
        {
            Where =
            [
                "--git-dir=" + Path.Combine(workspace, ".git"), "--work-tree=" + workspace,
                "-c", "checkout.workers=0", "-c", "checkout.thresholdForParallelism=500",
            ],
            Arguments = ["read-tree", "--reset", "-u", "--no-recurse-submodules", commit],
            Timeout = timeout,
            Started = started,
            Mask = FileMask.Usual,
        },
        cancellation);

    /// <summary>Takes a pack in, if every object of it is well made and every one that it speaks of is there.</summary>
    internal Task<GitResult> TakePackAsync(
        GitRepository repository, Stream pack, long most, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        repository.Call(
            "index-pack", "--stdin", "--fix-thin", Strictness,
            string.Create(CultureInfo.InvariantCulture, $"--max-input-size={most}")) with
        {
            IsAgents = true,
            InputStream = pack,
            Timeout = timeout,
        },
        cancellation);

    /// <summary>Removes loose objects that are in a pack as well. No object is lost by it.</summary>
    internal Task<GitResult> RemoveLooseDuplicatesAsync(
        string gitFolder, TimeSpan timeout, CancellationToken cancellation) => RunAsync(
        GitRepository.Ours(gitFolder).Call("prune-packed", "--quiet") with { Timeout = timeout },
        cancellation);

    private static readonly string[] Pruned = ["--prune"];

    private static readonly string[] Unshallowed = ["--unshallow"];
}

/// <summary>A fetch into a repository of ours.</summary>
internal sealed record GitFetch
{
    internal required string GitFolder { get; init; }

    /// <summary>The path or URL.</summary>
    internal required string Location { get; init; }

    /// <summary>What to fetch and where to: refspecs.</summary>
    internal required IReadOnlyList<string> Refs { get; init; }

    internal required bool Network { get; init; }

    /// <summary>Whether the place is judged first.</summary>
    internal bool IsGuarded { get; init; }

    internal required TimeSpan Timeout { get; init; }

    /// <summary>Whether refs of ours that are no longer there are removed.</summary>
    internal bool Prune { get; init; }

    /// <summary>Whether history that was cut off is fetched too, as far as the other side has it.</summary>
    internal bool Unshallow { get; init; }

    /// <summary>Called with the process's id.</summary>
    internal Action<int>? Started { get; init; }
}

/// <summary>A push from a repository of ours.</summary>
/// <param name="GitFolder">It.</param>
/// <param name="Location">The remote's URL or path.</param>
/// <param name="Commit">What is pushed.</param>
/// <param name="Branch">The new branch's name.</param>
/// <param name="Timeout">How long it may take.</param>
internal sealed record GitPush(string GitFolder, string Location, string Commit, string Branch, TimeSpan Timeout)
{
    /// <summary>Whether the place is judged first.</summary>
    internal bool IsGuarded { get; init; }
}
