using System.Text;
using Berth.Engine.Processes;
using Berth.Protocol;

namespace Berth.Engine.Git;

/// <summary>The git program on the host: one method per thing we ask of it.</summary>
/// <remarks>
/// Nothing of what a repository or the user's configuration may bring is run: no hooks, no fsmonitor, no filters, no
/// editor, no pager, no
/// question on a terminal. The user's own configuration is read for transfers over a network only, for his proxies and
/// credential
/// helpers; it is absent everywhere else, so a filter defined there (git-lfs for example) does not run when a workspace
/// is filled.
/// It is never run in a workspace that an agent has touched. Needs git 2.39.
/// </remarks>
internal sealed partial class GitProgram(GitOptions options, ProcessRunner processes)
{
    /// <summary>For what touches a few files only.</summary>
    private static readonly TimeSpan QuickTimeout = TimeSpan.FromSeconds(60);

    private static readonly string[] Hardening =
    [
        "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.alternateRefsCommand=:",
        "core.attributesFile=/dev/null",
        "core.askPass=", "gc.auto=0", "maintenance.auto=false", "protocol.ext.allow=never", "protocol.version=2",
        "submodule.recurse=false", "fetch.recurseSubmodules=false", "fetch.writeCommitGraph=false",
        "log.showSignature=false",

        // Objects arrive as whole packs, which are renamed into place: a killed transfer leaves nothing that looks like
        // an object.
        "fetch.unpackLimit=1", "transfer.unpackLimit=1",

        // A dead network ends the transfer instead of its time limit.
        "http.lowSpeedLimit=100", "http.lowSpeedTime=60",
    ];

    private static readonly string[] HardeningArguments = [.. Hardening.SelectMany(setting => new[] { "-c", setting })];

    // What an agent has packed unfolds to any size: 65 KB of deltas are 3 GiB. A blob above the threshold is streamed,
    // so the bound is for what has to be whole in memory.
    private const long MostMemory = 1024L * 1024 * 1024;

    private static readonly string[] Frugal =
    [
        "core.bigFileThreshold=64m", "core.packedGitLimit=256m", "core.packedGitWindowSize=32m",
        "core.deltaBaseCacheLimit=64m", "pack.threads=1", "pack.windowMemory=128m", "pack.deltaCacheSize=64m",
    ];

    private static readonly string[] FrugalArguments = [.. Frugal.SelectMany(setting => new[] { "-c", setting })];

    private readonly Lazy<GitPlace> place = new(() => GitPlace.Find(options));

    /// <summary>The version of git, as it says it itself.</summary>
    /// <exception cref="FailureException"><c>git_missing</c>.</exception>
    internal async Task<string> VersionAsync(CancellationToken cancellation)
    {
        var result = await RunAsync(new GitCall { Arguments = ["version"] }, cancellation).ConfigureAwait(false);
        return result.Line.Replace("git version ", string.Empty, StringComparison.Ordinal);
    }

    /// <summary>Judges a place that somebody has named who may not name every one.</summary>
    /// <exception cref="FailureException">It may not be reached.</exception>
    internal Task<RemotePin> JudgeAsync(string location, CancellationToken cancellation) => options.Judge is { } judge
        ? judge(location, cancellation)
        : throw new InvalidOperationException("Nobody here judges addresses.");

    private async Task<GitResult> RunAsync(GitCall call, CancellationToken cancellation)
    {
        var here = place.Value;
        var pin = call is { Remote: { } judged, IsGuarded: true }
            ? await JudgeAsync(judged, cancellation).ConfigureAwait(false)
            : null;
        await using var access = call.Remote is { } remote
            ? RemoteAccess.Open(here, options, remote, call.AsUser, pin)
            : null;
        var process = await processes.RunAsync(
            new ProcessRequest
            {
                FileName = here.Program,
                Arguments =
                [
                    .. HardeningArguments, .. call.IsAgents ? FrugalArguments : [], .. access?.Arguments ?? [],
                    .. call.Where, .. call.Arguments,
                ],
                Environment = EnvironmentOf(
                    access?.Environment ?? (call.AsUser ? here.NetworkEnvironment : here.Environment), call),
                WorkingDirectory = "/",
                Mask = call.Mask,
                Timeout = call.Timeout ?? QuickTimeout,
                Input = call.Input is null ? default : Encoding.UTF8.GetBytes(call.Input),
                InputStream = call.InputStream,
                OutputStream = call.OutputStream,
                MaxOutputBytes = call.MaxOutputBytes,
                Started = call.Started,
                MemoryBytes = call.IsAgents ? MostMemory : null,
            },
            cancellation).ConfigureAwait(false);
        if (process.End == ProcessEnd.Cancelled)
        {
            throw new OperationCanceledException(cancellation);
        }

        return GitResult.Of(process);
    }

    private static IReadOnlyDictionary<string, string> EnvironmentOf(
        IReadOnlyDictionary<string, string> shared, GitCall call) => call.Ceiling is null
        ? shared
        : new Dictionary<string, string>(shared, StringComparer.Ordinal)
        {
            ["GIT_CEILING_DIRECTORIES"] = call.Ceiling,
        };
}

/// <summary>A repository on this machine.</summary>
/// <param name="Path">Its top level, or the bare repository.</param>
/// <param name="IsOurs">Whether it is one of our bare repositories. In the user's, git has to look where its files
/// are.</param>
internal sealed record GitRepository(string Path, bool IsOurs)
{
    internal static GitRepository Ours(string path) => new(path, IsOurs: true);

    internal static GitRepository Users(string path) => new(path, IsOurs: false);

    internal GitCall Call(params IReadOnlyList<string> arguments) => IsOurs
        ? new GitCall { Where = ["--git-dir=" + Path], Arguments = arguments, Mask = GitMask.OfOurs }

        // A damaged repository must not be mistaken for one that it lies in.
        : new GitCall
        {
            Where = ["-C", Path], Arguments = arguments,
            Ceiling = System.IO.Path.GetDirectoryName(Path), Mask = GitMask.Of(Path),
        };
}

/// <summary>One call of git.</summary>
internal sealed record GitCall
{
    /// <summary>What stands before the subcommand and names the repository.</summary>
    internal IReadOnlyList<string> Where { get; init; } = [];

    /// <summary>The subcommand and its arguments.</summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The folder above which git does not look for a repository.</summary>
    internal string? Ceiling { get; init; }

    /// <summary>Where it goes to, where that may not be on this machine.</summary>
    internal string? Remote { get; init; }

    /// <summary>Whether it goes there as the user himself would, with his own configuration, if we have no
    /// credential.</summary>
    internal bool AsUser { get; init; }

    /// <summary>Which permissions new files do not get; null for ours: they are for our user alone.</summary>
    internal UnixFileMode? Mask { get; init; }

    /// <summary>Whether the place is judged first, and the call held to its address.</summary>
    internal bool IsGuarded { get; init; }

    /// <summary>Whether it reads what an agent has made, and so has a bound on its memory.</summary>
    internal bool IsAgents { get; init; }

    internal TimeSpan? Timeout { get; init; }

    internal string? Input { get; init; }

    internal Stream? InputStream { get; init; }

    internal Stream? OutputStream { get; init; }

    internal long MaxOutputBytes { get; init; } = 64 * 1024 * 1024;

    internal Action<int>? Started { get; init; }
}
