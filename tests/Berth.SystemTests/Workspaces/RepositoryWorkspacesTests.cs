using System.Text;
using Berth.Engine.Git;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Workspaces;

public sealed class RepositoryWorkspacesTests
{
    private static CancellationToken Soon => GitPlayground.Soon;

    [Fact]
    public async Task A_run_goes_from_a_path_to_a_branch_in_it_and_touches_nothing_else()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await File.WriteAllTextAsync(Path.Combine(repository, "uncommitted.txt"), "mine\n", Soon);
        var before = await StateAsync(place, repository);
        var workspaces = place.Workspaces();
        var request = place.Request(Path.Combine(repository, "folder 0"));

        var facts = await workspaces.InspectAsync(request.Source, null, request.Branch, countChanges: true, Soon);
        var run = await place.RunAsync(workspaces, request);
        var work = await workspaces.CollectAsync(run, Soon);
        var branch = await workspaces.DeliverAsync(run, work!, Soon);

        Assert.Equal(1, facts.UncommittedFiles);
        Assert.Equal("main", facts.CurrentBranch);
        Assert.Equal(facts.BaseCommit, run.BaseCommit);
        Assert.Equal("Add new.txt", Assert.Single(work!.Commits).Subject);
        Assert.Equal(new ChangedFile("new.txt", 1, 0, "added"), Assert.Single(work.FilesChanged));
        Assert.Equal(request.Branch, branch);
        Assert.Equal(work.HeadCommit, await place.GitAsync(repository, "rev-parse", $"refs/heads/{branch}"));
        Assert.Equal(before, await StateAsync(place, repository));
        Assert.Equal(branch, await workspaces.DeliverAsync(run, work, Soon));
    }

    [Theory]
    [InlineData("gone")]
    [InlineData("damaged")]
    [InlineData("a link")]
    public async Task Where_the_bundle_is_no_more_the_mirror_has_what_it_was(string how)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository));
        var work = await workspaces.CollectAsync(run, Soon);
        var bundle = run.RunDirectory.BundleFile;
        if (how is "damaged")
        {
            var bytes = await File.ReadAllBytesAsync(bundle, Soon);
            bytes[^30] ^= 1;
            await File.WriteAllBytesAsync(bundle, bytes, Soon);
        }
        else
        {
            File.Move(bundle, bundle + ".moved");
            if (how is "a link")
            {
                File.CreateSymbolicLink(bundle, bundle + ".moved");
            }
        }

        var branch = await workspaces.DeliverAsync(run, work!, Soon);

        Assert.Equal(work!.HeadCommit, await place.GitAsync(repository, "rev-parse", $"refs/heads/{branch}"));
        Assert.Empty(await place.GitAsync(repository, "fsck", "--full", "--no-progress"));
    }

    [Fact]
    public async Task For_a_url_the_branch_is_in_the_mirror_and_the_diff_outlives_the_pins()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request($"file://{repository}"), "zeile ü\n\"x\".txt");

        var work = await workspaces.CollectAsync(run, Soon);
        await workspaces.DeliverAsync(run, work!, Soon);
        await workspaces.ReleaseAsync(run, Soon);
        await workspaces.ReleaseAsync(run, Soon);
        using var patch = new MemoryStream();
        var written = await workspaces.DiffAsync(run, work!.HeadCommit, new DiffOrder(DiffForm.Patch), patch, Soon);

        Assert.Equal("zeile ü\n\"x\".txt", Assert.Single(work.FilesChanged).Path);
        Assert.Equal(new DiffWritten(HasWork: true, Truncated: false), written);
        Assert.Contains("+new", Encoding.UTF8.GetString(patch.ToArray()), StringComparison.Ordinal);
        var branches = await place.GitAsync(run.Mirror, "for-each-ref", "--format=%(refname)", "refs/heads");
        Assert.Equal($"refs/heads/{run.Branch}", branches);
        Assert.Empty(await place.GitAsync(run.Mirror, "for-each-ref", "refs/berth/runs"));
        Assert.Empty(await place.GitAsync(repository, "branch", "--list", "berth/*"));
    }

    [Fact]
    public async Task The_workspace_borrows_from_the_mirror_and_preparing_twice_finds_it()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var request = place.Request(repository);
        var workspaces = place.Workspaces();

        var first = await workspaces.PrepareAsync(request, Soon);
        await File.WriteAllTextAsync(Path.Combine(first.Path, "mine.txt"), "of the agent\n", Soon);
        var second = await place.Workspaces().PrepareAsync(request, Soon);

        Assert.Equal(first, second);
        Assert.Equal(first.Run, RepositoryWorkspaces.Find(request.RunDirectory));
        Assert.True(File.Exists(Path.Combine(first.Path, "mine.txt")));
        Assert.Equal("?? mine.txt", await place.GitAsync(first.Path, "status", "--short"));
        Assert.Equal(request.Branch, await place.GitAsync(first.Path, "branch", "--show-current"));
        Assert.Equal(first.BaseCommit, await place.GitAsync(first.Path, "rev-parse", "HEAD"));
        Assert.Equal(first.MirrorObjects + "\n", await File.ReadAllTextAsync(
            Path.Combine(first.Path, ".git", "objects", "info", "alternates"), Soon));
        Assert.Empty(await place.GitAsync(first.Path, "remote"));
        Assert.Empty(await place.GitAsync(first.Path, "fsck", "--full", "--strict"));
        Assert.False(Directory.Exists(Path.Combine(first.Path, ".git", "hooks")));
    }

    [Fact]
    public async Task A_delivery_that_fails_says_the_command_that_makes_the_branch_when_all_is_mended()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync("it's mine");
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository, branch: "what's&that"));
        var work = await workspaces.CollectAsync(run, Soon);
        var inside = Path.Combine(repository, ".git");
        Directory.Move(inside, inside + ".aside");

        var failed = await Assert.ThrowsAsync<FailureException>(() => workspaces.DeliverAsync(run, work!, Soon));
        Directory.Move(inside + ".aside", inside);
        await place.TypeAsync(failed.Failure.Hint[failed.Failure.Hint.IndexOf("git ", StringComparison.Ordinal)..]);

        Assert.Equal("delivery_failed", failed.Failure.Code);
        Assert.Equal(work!.HeadCommit, await place.GitAsync(repository, "rev-parse", "refs/heads/what's&that"));
    }

    [Fact]
    public async Task When_every_name_is_taken_the_command_makes_the_branch_of_a_url_under_another_name()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request($"file://{repository}", branch: "b"));
        var work = await workspaces.CollectAsync(run, Soon);
        foreach (var number in Enumerable.Range(1, 100))
        {
            var name = number == 1 ? "b" : FormattableString.Invariant($"b-{number}");
            await place.GitAsync(run.Mirror, "update-ref", $"refs/heads/{name}", run.BaseCommit!);
        }

        var failed = await Assert.ThrowsAsync<FailureException>(() => workspaces.DeliverAsync(run, work!, Soon));
        var command = failed.Failure.Hint[failed.Failure.Hint.IndexOf("git ", StringComparison.Ordinal)..];
        await place.TypeAsync(command.Replace("NAME", "mine", StringComparison.Ordinal));

        Assert.Equal("branch_taken", failed.Failure.Code);
        Assert.Equal(work!.HeadCommit, await place.GitAsync(run.Mirror, "rev-parse", "refs/heads/mine"));
    }

    [Fact]
    public async Task Without_a_mirror_each_run_has_a_repository_of_its_own()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces(options => options with { UseMirror = false });

        var run = await place.RunAsync(workspaces, place.Request(repository));
        var work = await workspaces.CollectAsync(run, Soon);

        Assert.Equal(Path.Combine(run.RunDirectory.Root, "repository.git"), run.Mirror);
        Assert.Equal(run.Branch, await workspaces.DeliverAsync(run, work!, Soon));
        Assert.False(Directory.Exists(place.MirrorsFolder));
        Assert.Empty(RepositoryWorkspaces.RemoveOwn(run.RunDirectory));
        Assert.Empty(RepositoryWorkspaces.RemoveOwn(run.RunDirectory));
        Assert.False(Directory.Exists(run.Mirror));

        using var patch = new MemoryStream();
        var written = await workspaces.DiffAsync(run, work!.HeadCommit, new DiffOrder(DiffForm.Patch), patch, Soon);
        Assert.True(written.HasWork);
        Assert.Contains("+new", Encoding.UTF8.GetString(patch.ToArray()), StringComparison.Ordinal);
    }

    private static async Task<string> StateAsync(GitPlayground place, string repository)
    {
        var index = Convert.ToHexString(await File.ReadAllBytesAsync(Path.Combine(repository, ".git", "index"), Soon));
        return string.Join('\n',
            await place.GitAsync(repository, "rev-parse", "HEAD"),
            await place.GitAsync(repository, "symbolic-ref", "HEAD"),
            index,
            File.GetLastWriteTimeUtc(Path.Combine(repository, ".git", "index")).Ticks,
            File.Exists(Path.Combine(repository, ".git", "FETCH_HEAD")),
            await place.GitAsync(repository, "status", "--short"),
            await File.ReadAllTextAsync(Path.Combine(repository, ".git", "config"), Soon));
    }
}
