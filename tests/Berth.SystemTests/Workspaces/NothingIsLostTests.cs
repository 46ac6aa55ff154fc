using System.Globalization;
using System.Text.RegularExpressions;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.Supervisor;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>The rule of part G as a property: whatever an agent did, all that it wrote and that was still there at its
/// end is on a delivered ref, or its workspace is kept and the warning names the place.</summary>
/// <remarks>
/// The sequences are random, and each is known by its seed. BERTH_LOSS_SEQUENCES makes more of them, BERTH_LOSS_SEED
/// begins elsewhere. Capture and collection are the real ones; only the supervisor's process around them is left out.
/// </remarks>
public sealed partial class NothingIsLostTests
{
    private const int UsualSequences = 500;
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F75_Whatever_an_agent_does_nothing_of_it_is_lost()
    {
        var first = Setting("BERTH_LOSS_SEED", 1);
        var count = Setting("BERTH_LOSS_SEQUENCES", UsualSequences);
        await using var place = new GitPlayground();
        var repository = await RepositoryAsync(place);
        TestContext.Current.TestOutputHelper?.WriteLine($"seeds {first} to {first + count - 1}");
        var words = 0;
        await Parallel.ForEachAsync(
            Enumerable.Range(first, count),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = Soon },
            async (seed, _) => Interlocked.Add(ref words, await LoseNothingAsync(place, repository, seed)));

        // A look that finds nothing would prove nothing.
        Assert.True(words > count, $"Only {words} words were found in {count} workspaces.");
    }

    /// <returns>How many words there were to be lost.</returns>
    private static async Task<int> LoseNothingAsync(GitPlayground place, string repository, int seed)
    {
        var workspaces = place.Workspaces();
        var request = place.Request(repository);
        var prepared = await workspaces.PrepareAsync(request, Soon);
        var deeds = new AgentDeeds(seed);
        var script = deeds.Script();
        await ActAsync(place, prepared.Path, script);
        var written = await WordsAsync(place, prepared.Path, deeds.Mark);
        Directory.CreateDirectory(request.RunDirectory.CaptureFolder);
        var capture = Capture(place, prepared);
        var story = $"seed {seed}: {capture.State} {capture.Failure?.Message}\n{script}";
        Assert.True(capture.State != CaptureState.Failed, story);
        var delivered = new HashSet<string>(StringComparer.Ordinal);
        if (capture.State == CaptureState.Bundled)
        {
            var work = await workspaces.CollectAsync(prepared.Run, Soon);
            var branch = work is null ? null : await workspaces.DeliverAsync(prepared.Run, work, Soon);
            var refs = await workspaces.DeliverRefsAsync(prepared.Run, branch, Soon);
            delivered = await DeliveredAsync(place, repository, branch, refs, deeds.Mark);
        }

        foreach (var (word, where) in written.Where(one => !delivered.Contains(one.Key)))
        {
            var said = capture.Failure?.Message ?? string.Empty;
            var isNamed = said.Contains(" more.", StringComparison.Ordinal)
                || where.Split('/').Any(name => name.Length > 0 && said.Contains(name, StringComparison.Ordinal));
            Assert.True(isNamed, $"{word} in {where} is lost. {story}");
        }

        await place.TypeAsync($"chmod -R u+rwX '{request.RunDirectory.Root}'; rm -rf '{request.RunDirectory.Root}'");
        return written.Count;
    }

    private static CaptureRecord Capture(GitPlayground place, PreparedWorkspace prepared)
    {
        var step = new CaptureStep
        {
            Prefix = [],
            Environment = new Dictionary<string, string>(place.Environment, StringComparer.Ordinal)
            {
                ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            },
            Git = "/usr/bin/git",
            Workspace = prepared.Path,
            Bundle = prepared.Run.RunDirectory.BundleFile,
            BaseCommit = prepared.BaseCommit,
            BorrowedObjects = prepared.MirrorObjects,
            Message = "The work",
            AuthorName = "Berth",
            AuthorEmail = "berth@example.org",
            TimeLimit = Bound,
        };
        var processes = new RunProcesses(new CgroupMembership([], []), user: null, FilterWay.None, TimeProvider.System);
        var bounds = new CaptureBounds(DateTimeOffset.UtcNow.AddMinutes(-1), () => false);
        var capture = new WorkCapture(
            step, prepared.Run.RunDirectory, processes, TimeProvider.System, new Redactor([]), bounds)
        {
            // This process has other children.
            EndOthers = () => { },
        };
        return capture.Run(_ => { });
    }

    private static async Task ActAsync(GitPlayground place, string workspace, string script)
    {
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/sh",
            Arguments = ["-c", script],
            Environment = new Dictionary<string, string>(place.Environment, StringComparer.Ordinal)
            {
                ["WORKSPACE"] = workspace,
            },
            WorkingDirectory = workspace,
        });
        await child.Exit.WaitAsync(Bound, Soon);
    }

    private static async Task<string> RepositoryAsync(GitPlayground place)
    {
        var repository = await place.RepositoryAsync();
        await File.WriteAllTextAsync(Path.Combine(repository, "kept.txt"), "kept\n", Soon);
        await place.CommitAsync(repository, "Keep");
        await place.GitAsync(
            repository, "update-index", "--add", "--cacheinfo",
            "160000,1234567890123456789012345678901234567890,party");
        Directory.CreateDirectory(Path.Combine(repository, "party"));
        await place.GitAsync(repository, "commit", "--quiet", "-m", "A submodule");
        return repository;
    }

    // Each word that is in the workspace or in a repository in it, and where.
    private static async Task<Dictionary<string, string>> WordsAsync(GitPlayground place, string workspace, string mark)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var listed = await place.TypedAsync(
            $"cd '{workspace}' && find . -name .git -prune -o \\( -type f -o -type l \\) -print0 | "
            + "xargs -0 -r grep -aHo --null -E 'berthword[0-9]+x[0-9]+end' -- 2>/dev/null; "
            + "find . -path './.git/objects' -prune -o -path '*/.git/*' -type f -print0 | "
            + "xargs -0 -r grep -aHo --null -E 'berthword[0-9]+x[0-9]+end' -- 2>/dev/null; "
            + "find . -type l -printf '%p\\0%l\\n'");
        foreach (var line in listed.Split('\n'))
        {
            if (line.Split('\0') is [var file, var word] && word.StartsWith(mark, StringComparison.Ordinal)
                && !file.Contains("/.git/logs/", StringComparison.Ordinal)
                && !IsGitsOwn(file))
            {
                found[word] = file;
            }
        }

        var repositories = await place.TypedAsync($"cd '{workspace}' && find . -name .git -type d -print0");
        foreach (var folder in repositories.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (var word in await ObjectWordsAsync(place, Path.Combine(workspace, folder), mark))
            {
                _ = found.TryAdd(word, folder);
            }
        }

        return found;
    }

    // Messages that git keeps for itself until a commit is made.
    private static bool IsGitsOwn(string file) => OwnFile().IsMatch(file);

    private static async Task<IEnumerable<string>> ObjectWordsAsync(GitPlayground place, string folder, string mark)
    {
        var text = await place.TypedAsync(
            $"git --git-dir='{folder}' cat-file --batch-all-objects --batch --unordered 2>/dev/null | "
            + $"grep -aoE '{mark}[0-9]+end'");
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static async Task<HashSet<string>> DeliveredAsync(
        GitPlayground place, string repository, string? branch, IReadOnlyList<DeliveredRef> refs, string mark)
    {
        var names = refs.Select(one => one.Ref).Concat(branch is null ? [] : [$"refs/heads/{branch}"]).ToList();
        var text = await place.TypedAsync(
            $"cd '{repository}' && git rev-list --objects {string.Join(' ', names.Select(name => $"'{name}'"))} | "
            + $"cut -d' ' -f1 | git cat-file --batch | grep -aoE '{mark}[0-9]+end'");
        return text.Split('\n', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal);
    }

    private static int Setting(string name, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var set) ? set : usual;

    [GeneratedRegex(
        @"/\.git/(.*/)?([A-Z_]*MSG|[A-Z_]*HEAD|packed-refs|index|config|rebase-[a-z]*/.*|sequencer/.*|MERGE_RR)$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex OwnFile();
}
