using System.Globalization;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>FAULTS D 29 to 31: many at once, killed ones, and damage.</summary>
public sealed class MirrorFaultTests
{
    private static CancellationToken Soon => GitPlayground.Soon;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Twenty_runs_at_once_on_one_repository_leave_a_sound_mirror(bool sameBranch)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync(files: 30);
        var workspaces = place.Workspaces();
        var requests = Enumerable.Range(0, 20)
            .Select(_ => place.Request(repository, branch: sameBranch ? "result" : null)).ToList();

        var branches = await Task.WhenAll(requests.Select(async request =>
        {
            var run = await place.RunAsync(workspaces, request, $"{request.RunId}.txt");
            var work = await workspaces.CollectAsync(run, Soon);
            Assert.Equal($"{request.RunId}.txt", Assert.Single(work!.FilesChanged).Path);
            return await workspaces.DeliverAsync(run, work, Soon);
        }));

        Assert.Equal(20, branches.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(
            20, (await place.GitAsync(repository, "branch", "--list", "result*", "berth/*")).Split('\n').Length);
        var mirror = Assert.Single(Directory.GetDirectories(place.MirrorsFolder));
        Assert.Empty(await place.GitAsync(mirror, "fsck", "--full", "--strict", "--no-dangling"));
        Assert.Empty(await place.GitAsync(repository, "fsck", "--full", "--no-dangling"));
    }

    [Fact]
    public async Task A_prepare_that_is_cancelled_at_any_point_is_never_seen_half_made()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync(files: 400);
        var workspaces = place.Workspaces();
        for (var delay = 0; delay < 120; delay += 12)
        {
            using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Soon);
            cancel.CancelAfter(delay);
            var request = place.Request(repository);
            try
            {
                await workspaces.PrepareAsync(request, cancel.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Null(RepositoryWorkspaces.Find(request.RunDirectory));
            }

            await IsWholeAsync(place, await workspaces.PrepareAsync(request, Soon));
        }
    }

    [Fact]
    public async Task A_git_that_is_killed_at_any_point_leaves_nothing_that_looks_like_a_clone()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync(files: 400);
        for (var round = 0; round < 8; round++)
        {
            Directory.CreateDirectory(place.MirrorsFolder);
            var workspaces = place.Workspaces(options => options with { MirrorsFolder = place.At($"mirrors/{round}") });
            var request = place.Request(repository);
            var preparing = workspaces.PrepareAsync(request, Soon);
            var kills = 0;
            while (!preparing.IsCompleted && kills < round + 1)
            {
                var children = ProcessTree.DescendantsOf(Environment.ProcessId)
                    .Where(child => BelongsTo(child.Pid, place.Root));
                kills += children.Count(child => child.Signal(9));
                await Task.Yield();
            }

            await Record.ExceptionAsync(() => preparing);
            await IsWholeAsync(place, await workspaces.PrepareAsync(request, Soon));
        }
    }

    [Fact]
    public async Task A_git_process_that_outlived_its_host_is_ended_before_the_mirror_is_written_again()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var source = place.Source(repository);
        using var orphan = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/sleep",
            Arguments = ["600"],
            Environment = place.Environment,
        });
        var identity = ProcessIdentity.Of(orphan.Id)!;
        Directory.CreateDirectory(place.MirrorsFolder);
        var mirror = Path.Combine(place.MirrorsFolder, Mirror.NameOf(source) + ".git");
        Directory.CreateDirectory(mirror + ".new-half/objects");
        await File.WriteAllTextAsync(
            Path.ChangeExtension(mirror, ".lock"),
            string.Create(CultureInfo.InvariantCulture, $"{identity.Pid} {identity.StartTicks} {identity.BootId}\n"),
            Soon);

        await IsWholeAsync(place, await place.Workspaces().PrepareAsync(place.Request(repository), Soon));

        Assert.False(identity.IsAlive);
        Assert.Equal([mirror], Directory.GetDirectories(place.MirrorsFolder));
    }

    [Fact]
    public async Task A_mirror_that_is_held_too_long_is_named()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        Directory.CreateDirectory(place.MirrorsFolder);
        var file = Path.Combine(place.MirrorsFolder, Mirror.NameOf(place.Source(repository)) + ".lock");
        await using var held = new FileStream(file, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        var workspaces = place.Workspaces(options => options with { LockTimeout = TimeSpan.FromMilliseconds(50) });

        var failure = await Assert.ThrowsAsync<FailureException>(
            () => workspaces.PrepareAsync(place.Request(repository), Soon));

        Assert.Equal("mirror_busy", failure.Failure.Code);
    }

    [Theory]
    [InlineData("stale lock")]
    [InlineData("truncated pack")]
    [InlineData("flipped byte")]
    [InlineData("missing index")]
    [InlineData("no HEAD")]
    [InlineData("empty ref")]
    public async Task A_damaged_mirror_is_healed_in_its_place_and_live_runs_go_on(string damage)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync(files: 30);
        var workspaces = place.Workspaces();
        var live = await workspaces.PrepareAsync(place.Request(repository), Soon);
        var objects = new DirectoryInfo(live.MirrorObjects).CreationTimeUtc;
        Damage(live.Run.Mirror, damage, live.Run.RunId);
        if (damage is not ("truncated pack" or "flipped byte"))
        {
            await File.WriteAllTextAsync(Path.Combine(repository, "later.txt"), "later\n", Soon);
            await place.CommitAsync(repository, "Later");
        }

        var run = await place.RunAsync(workspaces, place.Request(repository));
        var work = await workspaces.CollectAsync(run, Soon);

        Assert.Equal(run.Branch, await workspaces.DeliverAsync(run, work!, Soon));
        Assert.Equal(objects, new DirectoryInfo(live.MirrorObjects).CreationTimeUtc);
        await place.GitAsync(live.Path, "fsck", "--full", "--no-dangling");
        await place.GitAsync(live.Run.Mirror, "fsck", "--full", "--no-dangling");
    }

    [Fact]
    public async Task A_mirror_that_loses_the_base_while_the_run_works_is_healed_when_the_work_comes()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository));
        Damage(run.Mirror, "missing index", run.RunId);

        var work = await workspaces.CollectAsync(run, Soon);

        Assert.Equal("new.txt", Assert.Single(work!.FilesChanged).Path);
    }

    private static void Damage(string mirror, string damage, string runId)
    {
        var pack = Directory.GetFiles(Path.Combine(mirror, "objects", "pack"), "*.pack")[0];
        File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var pin = Path.Combine(mirror, "refs", "berth", "runs", runId, "base");
        switch (damage)
        {
            case "stale lock":
                foreach (var reference in Directory.GetFiles(Path.Combine(mirror, "refs", "berth", "source")))
                {
                    File.WriteAllText(reference + ".lock", string.Empty);
                }

                break;
            case "truncated pack":
                using (var file = File.OpenWrite(pack))
                {
                    file.SetLength(file.Length / 2);
                }

                break;
            case "flipped byte":
                var content = File.ReadAllBytes(pack);
                for (var at = 12; at < content.Length - 20; at++)
                {
                    content[at] ^= 0x55;
                }

                File.WriteAllBytes(pack, content);
                break;
            case "missing index":
                File.Delete(Path.ChangeExtension(pack, ".idx"));
                break;
            case "no HEAD":
                File.Delete(Path.Combine(mirror, "HEAD"));
                break;
            default:
                File.WriteAllText(pin, string.Empty);
                break;
        }
    }

    private static bool BelongsTo(int pid, string root)
    {
        try
        {
            var words = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cmdline"));
            return words.Contains(root, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task IsWholeAsync(GitPlayground place, PreparedWorkspace prepared)
    {
        Assert.Empty(await place.GitAsync(prepared.Path, "status", "--short"));
        Assert.Empty(await place.GitAsync(prepared.Path, "fsck", "--full", "--strict", "--no-dangling"));
    }
}
