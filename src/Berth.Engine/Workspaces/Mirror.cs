using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Git;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Our bare clone of one repository, shared by its runs. Nothing in it is ever pruned.</summary>
/// <remarks>
/// Workspaces borrow its objects by the absolute path of its <c>objects</c> folder, and sandboxes have that very folder
/// mounted. So once
/// made, the folder stays the same one: healing adds to it and takes damaged files out of it, and never puts another in
/// its place.
/// A mirror is made aside and renamed, so one that is there was whole. Refs: <c>refs/berth/runs/ID/base</c> and
/// <c>head</c> pin the
/// commits of runs; <c>refs/berth/source/…</c> are the last seen tips, which make the next fetch small when no run is
/// left;
/// <c>refs/heads/…</c> are the branches delivered for a URL.
/// </remarks>
internal sealed class Mirror(
    string path, RepositorySource source, WorkspaceOptions options, GitProgram git, TimeProvider time)
{
    private const int ShortestObjectId = 40;
    private const int MaxHealings = 2;
    private const string ShallowFile = "shallow";

    /// <summary>The bare repository.</summary>
    internal string Path { get; } = path;

    /// <summary>The folder that workspaces borrow from.</summary>
    internal string Objects { get; } = System.IO.Path.Combine(path, "objects");

    /// <summary>The ref that keeps a run's base.</summary>
    internal static string BaseRef(string runId) => $"refs/berth/runs/{runId}/base";

    /// <summary>The ref that keeps a run's work.</summary>
    internal static string HeadRef(string runId) => $"refs/berth/runs/{runId}/head";

    /// <summary>The folder's name for a repository.</summary>
    internal static string NameOf(RepositorySource source) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source.Canonical)));

    /// <summary>Takes the lock of this mirror.</summary>
    internal Task<MirrorLock> LockAsync(bool alone, CancellationToken cancellation)
    {
        var folder = System.IO.Path.GetDirectoryName(Path)!;
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var file = System.IO.Path.ChangeExtension(Path, ".lock");
        return MirrorLock.TakeAsync(file, alone, options.LockTimeout, time, cancellation);
    }

    /// <summary>Has the commit that a run is to start from, pinned for it. The network is left alone where the commit
    /// is known and here.</summary>
    /// <returns>The commit, or null for a repository without any.</returns>
    internal async Task<string?> PinAsync(MirrorWant want, CancellationToken cancellation)
    {
        if (want.Commit is { } known && Directory.Exists(Objects) && !MayUnshallow(Path))
        {
            await using var shared = await LockAsync(alone: false, cancellation).ConfigureAwait(false);
            if (await PinKnownAsync(want.RunId, known, cancellation).ConfigureAwait(false))
            {
                return known;
            }
        }

        await using var held = await LockAsync(alone: true, cancellation).ConfigureAwait(false);
        return await PinAloneAsync(want, held, cancellation).ConfigureAwait(false);
    }

    /// <summary>Heals the mirror, then pins again: for who found it damaged while using it.</summary>
    internal async Task<string?> HealAndPinAsync(MirrorWant want, CancellationToken cancellation)
    {
        await using var held = await LockAsync(alone: true, cancellation).ConfigureAwait(false);
        await new MirrorHealing(this, source, options, git).HealAsync(want, held, cancellation).ConfigureAwait(false);
        return await PinAloneAsync(want, held, cancellation).ConfigureAwait(false);
    }

    /// <summary>Removes what a killed writer left, and ends it first, unless somebody has the mirror: he does it
    /// himself.</summary>
    internal async Task TidyAsync(CancellationToken cancellation)
    {
        var file = System.IO.Path.ChangeExtension(Path, ".lock");
        if (!File.Exists(file))
        {
            return;
        }

        await using var held = await MirrorLock.TryTakeAloneAsync(file, time, cancellation).ConfigureAwait(false);
        if (held is not null)
        {
            RemoveHalfMade();
        }
    }

    /// <summary>Whether a failure may be our mirror's own, so that healing it may help.</summary>
    internal bool MayBeDamage(GitProblem problem) => problem switch
    {
        GitProblem.Corrupt or GitProblem.Locked or GitProblem.NotARepository or GitProblem.BadObjects => true,
        GitProblem.RefExists or GitProblem.Other => true,
        GitProblem.Network or GitProblem.RefMissing => source.Kind == RepositoryKind.Path,
        _ => false,
    };

    /// <summary>Fetches what a run needs, and no more, into a bare repository, and pins it there.</summary>
    internal async Task<(GitResult? Failed, string? Base)> FetchAsync(
        string gitFolder, MirrorWant want, MirrorLock held, CancellationToken cancellation)
    {
        if (want.IsEmpty)
        {
            return (null, null);
        }

        var asked = want.Commit ?? want.Reference ?? "HEAD";
        var baseRef = BaseRef(want.RunId);
        if (want.Commit is not null || asked is "HEAD" || BranchName.Problem(asked) is null)
        {
            string[] refs = [$"+{asked}:{baseRef}", $"+{asked}:refs/berth/source/{SlotOf(want)}"];
            var fetched = await FetchRefsAsync(gitFolder, refs, held, cancellation).ConfigureAwait(false);
            if (fetched.Succeeded)
            {
                return await PeelAsync(gitFolder, want.RunId, [baseRef], fetched, cancellation).ConfigureAwait(false);
            }

            if (fetched.Problem != GitProblem.RefMissing || source.Kind == RepositoryKind.Path)
            {
                return (fetched, null);
            }

            if (want.Reference is null && want.Commit is null)
            {
                await CheckEmptyAsync(cancellation).ConfigureAwait(false);
                return (null, null);
            }

            if (!asked.All(char.IsAsciiHexDigit))
            {
                return (fetched, null);
            }
        }

        return await FetchAllAsync(gitFolder, asked, want, held, cancellation).ConfigureAwait(false);
    }

    /// <summary>Fetches every branch and tag.</summary>
    internal Task<GitResult> FetchBranchesAndTagsAsync(
        string gitFolder, MirrorLock held, CancellationToken cancellation)
    {
        string[] refs = ["+refs/heads/*:refs/berth/remote/heads/*", "+refs/tags/*:refs/berth/remote/tags/*"];
        return FetchRefsAsync(gitFolder, refs, held, cancellation, prune: true);
    }

    /// <summary>Makes an empty bare repository beside the mirror, in the hash that the commit has.</summary>
    internal async Task<string> MakeAsideAsync(string objectFormat, CancellationToken cancellation)
    {
        var aside = $"{Path}.new-{Guid.NewGuid():N}";
        var made = await git.InitBareAsync(aside, objectFormat, cancellation).ConfigureAwait(false);
        return made.Succeeded ? aside : throw GitFailures.OfOurs($"Making the mirror {aside}", made);
    }

    /// <summary>The hash to begin with; where it is the wrong one, the first fetch says so.</summary>
    internal static string FormatOf(MirrorWant want) => want.Commit?.Length > ShortestObjectId ? "sha256" : "sha1";

    private async Task<bool> PinKnownAsync(string runId, string commit, CancellationToken cancellation)
    {
        if (source.Kind == RepositoryKind.Url)
        {
            // It came from the user and not from git: it may be a tag's id.
            var resolved = await git.ResolveCommitAsync(
                GitRepository.Ours(Path), commit, cancellation).ConfigureAwait(false);
            if (!resolved.Succeeded || !string.Equals(resolved.Line, commit, StringComparison.Ordinal))
            {
                return false;
            }
        }

        var pinned = await UpdateBaseAsync(Path, runId, commit, cancellation).ConfigureAwait(false);
        return pinned.Succeeded;
    }

    private async Task<string?> PinAloneAsync(MirrorWant want, MirrorLock held, CancellationToken cancellation)
    {
        RemoveHalfMade();
        for (var attempt = 0; ; attempt++)
        {
            var (failed, found) = Directory.Exists(Path)
                ? await FetchHereAsync(want, held, cancellation).ConfigureAwait(false)
                : await MakeAsync(want, FormatOf(want), held, cancellation).ConfigureAwait(false);
            if (failed is null)
            {
                return found;
            }

            if (attempt == MaxHealings || !Directory.Exists(Path) || !MayBeDamage(failed.Problem))
            {
                throw GitFailures.OfSource(
                    source, $"Fetching {want.Reference ?? "HEAD"} from {source.Location}", failed);
            }

            // A lock that a killed git left is no reason to fetch everything anew; if it comes back, something else is
            // wrong.
            var healing = new MirrorHealing(this, source, options, git);
            if (failed.Problem == GitProblem.Locked && attempt == 0)
            {
                healing.RemoveLeftovers();
            }
            else
            {
                await healing.HealAsync(want, held, cancellation).ConfigureAwait(false);
            }
        }
    }

    private async Task<(GitResult? Failed, string? Base)> FetchHereAsync(
        MirrorWant want, MirrorLock held, CancellationToken cancellation)
    {
        // While this one waited for the lock another run may have fetched the very commit.
        return want.Commit is { } known && !MayUnshallow(Path)
            && await PinKnownAsync(want.RunId, known, cancellation).ConfigureAwait(false)
            ? (null, known)
            : await FetchAsync(Path, want, held, cancellation).ConfigureAwait(false);
    }

    private async Task<(GitResult? Failed, string? Base)> MakeAsync(
        MirrorWant want, string objectFormat, MirrorLock held, CancellationToken cancellation)
    {
        if (File.Exists(Path))
        {
            File.Delete(Path);
        }

        var aside = await MakeAsideAsync(objectFormat, cancellation).ConfigureAwait(false);
        try
        {
            var (failed, found) = await FetchAsync(aside, want, held, cancellation).ConfigureAwait(false);
            if (failed is null)
            {
                Directory.Move(aside, Path);
            }
            else if (failed.Problem == GitProblem.ObjectFormat && objectFormat is "sha1")
            {
                return await MakeAsync(want, "sha256", held, cancellation).ConfigureAwait(false);
            }

            return (failed, found);
        }
        finally
        {
            if (Directory.Exists(aside))
            {
                Directory.Delete(aside, recursive: true);
            }
        }
    }

    private async Task<(GitResult? Failed, string? Base)> FetchAllAsync(
        string gitFolder, string asked, MirrorWant want, MirrorLock held, CancellationToken cancellation)
    {
        var fetched = await FetchBranchesAndTagsAsync(gitFolder, held, cancellation).ConfigureAwait(false);
        string[] readings = [$"refs/berth/remote/heads/{asked}", $"refs/berth/remote/tags/{asked}", asked];
        return fetched.Succeeded
            ? await PeelAsync(gitFolder, want.RunId, readings, fetched, cancellation).ConfigureAwait(false)
            : (fetched, null);
    }

    private async Task<(GitResult? Failed, string? Base)> PeelAsync(
        string gitFolder, string runId, string[] readings, GitResult fetched, CancellationToken cancellation)
    {
        var failed = fetched;
        foreach (var reading in readings)
        {
            var commit = await git.ResolveCommitAsync(
                GitRepository.Ours(gitFolder), reading, cancellation).ConfigureAwait(false);
            failed = commit;
            if (commit.Succeeded)
            {
                failed = await UpdateBaseAsync(gitFolder, runId, commit.Line, cancellation).ConfigureAwait(false);
                return failed.Succeeded ? (null, commit.Line) : (failed, null);
            }
        }

        return (failed, null);
    }

    private Task<GitResult> UpdateBaseAsync(
        string gitFolder, string runId, string commit, CancellationToken cancellation) =>
        git.UpdateRefAsync(GitRepository.Ours(gitFolder), BaseRef(runId), commit, mustBeNew: false, cancellation);

    private async Task CheckEmptyAsync(CancellationToken cancellation)
    {
        var refs = await git.ListRemoteAsync(
            source.Location, source.IsGuarded, cancellation).ConfigureAwait(false);
        if (!refs.Succeeded)
        {
            throw GitFailures.OfSource(source, $"Listing the branches of {source.Location}", refs);
        }

        if (refs.Line.Length > 0)
        {
            throw NoDefaultBranch(source);
        }
    }

    internal static FailureException NoDefaultBranch(RepositorySource source) => new(
        "no_default_branch",
        $"{source.Location} has branches, tags or other refs, but its HEAD names no branch that has a commit.",
        "Say where to start: --ref BRANCH, --ref TAG, or --ref origin/BRANCH in a clone.",
        Fault.User);

    private Task<GitResult> FetchRefsAsync(
        string gitFolder,
        string[] refs,
        MirrorLock held,
        CancellationToken cancellation,
        bool prune = false) => git.FetchAsync(
        new GitFetch
        {
            GitFolder = gitFolder,
            Location = source.Location,
            Refs = refs,
            Network = source.Kind == RepositoryKind.Url,
            IsGuarded = source.IsGuarded,
            Timeout = options.TransferTimeout,
            Prune = prune,
            Unshallow = MayUnshallow(gitFolder),
            Started = held.Note,
        },
        cancellation);

    // The source was shallow once, and is so no more; of a URL only the fetch can tell.
    private bool MayUnshallow(string gitFolder) => File.Exists(System.IO.Path.Combine(gitFolder, ShallowFile))
        && !IsShallow(source);

    /// <summary>Whether a repository of this machine has a part of its history only.</summary>
    internal static bool IsShallow(RepositorySource source) => source.Kind == RepositoryKind.Path
        && (File.Exists(System.IO.Path.Combine(source.Location, ".git", ShallowFile))
            || File.Exists(System.IO.Path.Combine(source.Location, ShallowFile)));

    // What a killed maker left. We are alone, so nobody is still at it.
    private void RemoveHalfMade()
    {
        var folder = new DirectoryInfo(System.IO.Path.GetDirectoryName(Path)!);
        foreach (var half in folder.EnumerateDirectories(System.IO.Path.GetFileName(Path) + ".new-*"))
        {
            half.Delete(recursive: true);
        }
    }

    private static string SlotOf(MirrorWant want)
    {
        var name = want.Reference is null ? "HEAD"
            : string.Equals(want.Reference, want.Commit, StringComparison.Ordinal) ? "commit" : want.Reference;
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..16];
    }
}

/// <summary>What a run wants from a mirror.</summary>
/// <param name="RunId">The run's id.</param>
/// <param name="Commit">The commit, where it is known already: resolved in the user's repository, or written out in
/// full.</param>
/// <param name="Reference">What the user named, or null for the default.</param>
/// <param name="IsEmpty">Whether the repository is known to have no commit.</param>
internal sealed record MirrorWant(string RunId, string? Commit, string? Reference, bool IsEmpty = false);
