using System.Globalization;
using System.Text;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Workspaces;

/// <summary>FAULTS D 35: repositories that are not as most are.</summary>
public sealed class UnusualRepositoryTests
{
    private static CancellationToken Soon => GitPlayground.Soon;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_empty_repository_gives_an_empty_workspace_whose_first_commits_are_delivered(bool url)
    {
        await using var place = new GitPlayground();
        var repository = Directory.CreateDirectory(place.At("empty")).FullName;
        await place.GitAsync(repository, "init", "--quiet", "--initial-branch=main");
        var workspaces = place.Workspaces();
        var request = place.Request(url ? $"file://{repository}" : repository);

        var facts = await workspaces.InspectAsync(request.Source, null, request.Branch, countChanges: true, Soon);
        var run = await place.RunAsync(workspaces, request);
        var work = await workspaces.CollectAsync(run, Soon);
        await workspaces.DeliverAsync(run, work!, Soon);

        Assert.Null(facts.BaseCommit);
        Assert.Null(run.BaseCommit);
        Assert.Equal(new ChangedFile("new.txt", 1, 0, "added"), Assert.Single(work!.FilesChanged));
        Assert.Equal(work.HeadCommit, await place.GitAsync(url ? run.Mirror : repository, "rev-parse", run.Branch));
    }

    [Fact]
    public async Task A_repository_with_the_wide_hash_works_like_any_other()
    {
        await using var place = new GitPlayground();
        var repository = Directory.CreateDirectory(place.At("wide")).FullName;
        await place.GitAsync(repository, "init", "--quiet", "--object-format=sha256");
        await place.CommitAsync(repository, "Begin");
        foreach (var source in new[] { repository, $"file://{repository}" })
        {
            var workspaces = place.Workspaces(options => options with { UseMirror = false });
            var run = await place.RunAsync(workspaces, place.Request(source));
            var work = await workspaces.CollectAsync(run, Soon);
            Assert.Equal(64, work!.HeadCommit.Length);
            Assert.Equal(run.Branch, await workspaces.DeliverAsync(run, work, Soon));
        }
    }

    [Fact]
    public async Task A_detached_head_is_the_base_and_a_head_that_names_nothing_is_refused()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var first = await place.GitAsync(repository, "rev-parse", "HEAD");
        await place.CommitAsync(repository, "Second");
        await place.GitAsync(repository, "checkout", "--quiet", "--detach", first);
        var workspaces = place.Workspaces();

        var facts = await workspaces.InspectAsync(place.Source(repository), null, "result", countChanges: true, Soon);
        var prepared = await workspaces.PrepareAsync(place.Request(repository), Soon);
        await place.GitAsync(repository, "symbolic-ref", "HEAD", "refs/heads/none");
        var path = await FailureOf(() => workspaces.PrepareAsync(place.Request(repository), Soon));
        var url = await FailureOf(() => workspaces.PrepareAsync(place.Request($"file://{repository}"), Soon));
        var named = await workspaces.PrepareAsync(place.Request($"file://{repository}", "main"), Soon);

        Assert.Equal(first, facts.BaseCommit);
        Assert.Null(facts.CurrentBranch);
        Assert.Equal(first, prepared.BaseCommit);
        Assert.Equal("no_default_branch", path.Code);
        Assert.Equal("no_default_branch", url.Code);
        Assert.NotEqual(first, named.BaseCommit);
    }

    [Fact]
    public async Task Refs_of_a_url_may_be_branches_tags_commits_and_revisions()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var first = await place.GitAsync(repository, "rev-parse", "HEAD");
        await place.GitAsync(repository, "tag", "-a", "-m", "A tag", "v1");
        var second = await place.CommitAsync(repository, "Second");
        var url = $"file://{repository}";
        var workspaces = place.Workspaces();
        var expected = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["main"] = second, ["v1"] = first, ["main~1"] = first, [first] = first, [second[..12]] = second,
            ["refs/tags/v1"] = first,
        };
        foreach (var (reference, commit) in expected)
        {
            Assert.Equal(commit, (await workspaces.PrepareAsync(place.Request(url, reference), Soon)).BaseCommit);
            Assert.Equal(
                commit, (await workspaces.PrepareAsync(place.Request(repository, reference), Soon)).BaseCommit);
        }

        (string, string)[] refused =
            [("nowhere", "ref_not_found"), ("--upload-pack=x", "ref_invalid"), ("main:x", "ref_not_found")];
        foreach (var (reference, code) in refused)
        {
            Assert.Equal(
                code, (await FailureOf(() => workspaces.PrepareAsync(place.Request(url, reference), Soon))).Code);
            Assert.Equal(code, (
                await FailureOf(() => workspaces.PrepareAsync(place.Request(repository, reference), Soon))).Code);
        }
    }

    [Fact]
    public async Task A_known_commit_of_a_url_needs_no_network()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var commit = await place.GitAsync(repository, "rev-parse", "HEAD");
        var workspaces = place.Workspaces();
        var first = place.Request($"file://{repository}", commit);
        await workspaces.PrepareAsync(first, Soon);
        var again = place.Request($"file://{repository}", commit);
        Directory.Move(repository, repository + ".gone");

        Assert.Equal(commit, (await workspaces.PrepareAsync(again, Soon)).BaseCommit);
        var other = again with { RunId = "other", Ref = "main", RunDirectory = new RunDirectory(place.At("other")) };
        var failure = await FailureOf(() => workspaces.PrepareAsync(other, Soon));
        Assert.Equal("repository_not_found", failure.Code);
    }

    [Fact]
    public async Task Bare_shallow_and_linked_repositories_work()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await place.CommitAsync(repository, "Second");
        await place.GitAsync(place.Root, "clone", "--quiet", "--bare", repository, "bare.git");
        await place.GitAsync(place.Root, "clone", "--quiet", "--depth=1", $"file://{repository}", "shallow");
        await place.GitAsync(repository, "worktree", "add", "--quiet", "-b", "linked", place.At("linked"));
        var workspaces = place.Workspaces();
        foreach (var name in new[] { "bare.git", "shallow", "linked" })
        {
            var run = await place.RunAsync(workspaces, place.Request(place.At(name)));
            await workspaces.InspectAsync(run.Source, null, run.Branch, countChanges: true, Soon);
            var work = await workspaces.CollectAsync(run, Soon);
            await workspaces.DeliverAsync(run, work!, Soon);
            Assert.Equal(work!.HeadCommit, await place.GitAsync(place.At(name), "rev-parse", run.Branch));
            Assert.Empty(await place.GitAsync(run.RunDirectory.Workspace, "fsck", "--no-dangling"));
        }
    }

    [Fact]
    public async Task F75_The_mirror_of_a_clone_that_became_whole_becomes_whole()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await place.CommitAsync(repository, "Second");
        await place.GitAsync(place.Root, "clone", "--quiet", "--depth=1", $"file://{repository}", "clone");
        var workspaces = place.Workspaces();
        var cut = await workspaces.PrepareAsync(place.Request(place.At("clone")), Soon);
        Assert.Equal("1", await place.GitAsync(cut.Path, "rev-list", "--count", "HEAD"));
        await place.GitAsync(place.At("clone"), "fetch", "--quiet", "--unshallow");

        // Its base is the same commit, which the mirror has already.
        var run = await place.RunAsync(workspaces, place.Request(place.At("clone")));
        Assert.Equal("3", await place.GitAsync(run.RunDirectory.Workspace, "rev-list", "--count", "HEAD"));
        var mirror = Assert.Single(Directory.GetDirectories(place.MirrorsFolder));
        Assert.False(File.Exists(Path.Combine(mirror, "shallow")));
        var work = await workspaces.CollectAsync(run, Soon);
        Assert.Equal(run.Branch, await workspaces.DeliverAsync(run, work!, Soon));
        Assert.Equal(work!.HeadCommit, await place.GitAsync(place.At("clone"), "rev-parse", run.Branch));
    }

    [Fact]
    public async Task No_commit_is_no_work_and_rewritten_history_and_ten_thousand_commits_are()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces(options => options with { MaxCommits = 10 });
        var idle = await workspaces.PrepareAsync(place.Request(repository), Soon);
        var rewritten = await workspaces.PrepareAsync(place.Request(repository), Soon);
        await place.GitAsync(rewritten.Path, "checkout", "--quiet", "--orphan", "anew");
        await place.GitAsync(rewritten.Path, "mv", "folder 0/file-0.txt", "renamed.txt");
        await place.CommitAsync(rewritten.Path, "All anew");
        await place.BundleAsync(rewritten.Run);
        var busy = await workspaces.PrepareAsync(place.Request(repository), Soon);
        await ImportAsync(place, busy, 10_000);
        await place.BundleAsync(busy.Run);

        Assert.Null(await workspaces.CollectAsync(idle.Run, Soon));
        var anew = await workspaces.CollectAsync(rewritten.Run, Soon);
        var many = await workspaces.CollectAsync(busy.Run, Soon);

        Assert.Equal(1, anew!.CommitCount);
        Assert.Equal(
            new ChangedFile("renamed.txt", 0, 0, "renamed", "folder 0/file-0.txt"), Assert.Single(anew.FilesChanged));
        Assert.Equal((10_000, 10), (many!.CommitCount, many.Commits.Count));
        Assert.Equal(busy.Run.Branch, await workspaces.DeliverAsync(busy.Run, many, Soon));
    }

    [Fact]
    public async Task A_branch_that_appears_meanwhile_is_not_moved_and_one_in_the_way_is_refused_first()
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var workspaces = place.Workspaces();
        var run = await place.RunAsync(workspaces, place.Request(repository, branch: "work/result"));
        var work = await workspaces.CollectAsync(run, Soon);
        await place.GitAsync(repository, "branch", "work/result");

        Assert.Equal("work/result-2", await workspaces.DeliverAsync(run, work!, Soon));
        Assert.Equal(run.BaseCommit, await place.GitAsync(repository, "rev-parse", "work/result"));
        foreach (var taken in new[] { "work/result", "work", "main", "main/below", "work/result/below" })
        {
            var failure = await FailureOf(
                () => workspaces.InspectAsync(run.Source, null, taken, countChanges: true, Soon));
            Assert.Equal("branch_taken", failure.Code);
        }

        await workspaces.InspectAsync(run.Source, null, "works", countChanges: true, Soon);
        var below = await place.RunAsync(workspaces, place.Request(repository, branch: "main/below"));
        var belowWork = await workspaces.CollectAsync(below, Soon);
        Assert.Equal("main-below", await workspaces.DeliverAsync(below, belowWork!, Soon));
    }

    [Fact]
    public async Task A_repository_of_another_user_can_be_used()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can give a repository to another user.");
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await place.GitAsync(repository, "-c", "alias.own=!chown -R 4242:4242 .", "own");
        var workspaces = place.Workspaces();
        var request = place.Request(repository);

        await workspaces.InspectAsync(request.Source, null, request.Branch, countChanges: true, Soon);
        var run = await place.RunAsync(workspaces, request);
        var work = await workspaces.CollectAsync(run, Soon);

        Assert.Equal(request.Branch, await workspaces.DeliverAsync(run, work!, Soon));
    }

    [Theory]
    [InlineData("HEAD..HEAD~1", "ref_not_found")]
    [InlineData("^HEAD", "ref_invalid")]
    [InlineData("nothing", "ref_not_found")]
    [InlineData("README.md", "ref_not_found")]
    public async Task A_ref_that_names_no_single_commit_is_refused(string reference, string code)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        await place.CommitAsync(repository, "Second");

        var refused = await FailureOf(() => place.Workspaces().InspectAsync(
            place.Source(repository), reference, "result", countChanges: false, Soon));

        Assert.Equal(code, refused.Code);
    }

    [Theory]
    [InlineData("!")]
    [InlineData("a/!/b")]
    [InlineData("é/]x")]
    [InlineData("a-b_c")]
    public async Task A_branch_of_unusual_letters_is_free_until_it_is_there(string branch)
    {
        await using var place = new GitPlayground();
        var repository = await place.RepositoryAsync();
        var (workspaces, source) = (place.Workspaces(), place.Source(repository));

        await workspaces.InspectAsync(source, null, branch, countChanges: false, Soon);
        await place.GitAsync(repository, "update-ref", "refs/heads/HEAD", "HEAD");
        var free = await workspaces.InspectAsync(source, "main", branch, countChanges: false, Soon);
        await place.GitAsync(repository, "branch", branch);
        var taken = await FailureOf(
            () => workspaces.InspectAsync(source, "main", branch, countChanges: false, Soon));

        Assert.Equal(await place.GitAsync(repository, "rev-parse", "main"), free.BaseCommit);
        Assert.Equal("branch_taken", taken.Code);
    }

    private static async Task ImportAsync(GitPlayground place, PreparedWorkspace prepared, int commits)
    {
        var stream = new StringBuilder();
        for (var i = 0; i < commits; i++)
        {
            var parent = i == 0 ? $"from {prepared.BaseCommit}\n" : string.Empty;
            var content = i.ToString(CultureInfo.InvariantCulture);
            stream.Append(
                CultureInfo.InvariantCulture,
                $"commit refs/heads/{prepared.Run.Branch}\ncommitter T <t@example.org> {1_700_000_000 + i} +0000\n");
            stream.Append(CultureInfo.InvariantCulture, $"data 1\nx\n{parent}");
            stream.Append(CultureInfo.InvariantCulture, $"M 644 inline n\ndata {content.Length}\n{content}\n");
        }

        await File.WriteAllTextAsync(Path.Combine(prepared.Path, "import"), stream.ToString(), Soon);
        await place.GitAsync(prepared.Path, "-c", "alias.take=!git fast-import --quiet --force < import", "take");
    }

    private static async Task<Failure> FailureOf(Func<Task> attempt) =>
        (await Assert.ThrowsAsync<FailureException>(attempt)).Failure;
}
