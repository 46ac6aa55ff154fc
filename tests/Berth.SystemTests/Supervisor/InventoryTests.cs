using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>Whatever an agent left anywhere in its repository is in the bundle, or is named and its workspace
/// kept.</summary>
public sealed class InventoryTests : IDisposable
{
    private readonly CaptureStage stage = new();

    public void Dispose() => stage.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F72_A_file_in_an_empty_submodule_is_named_and_the_workspace_kept(bool sandboxed)
    {
        var capture = await stage.RunAsync(
            "echo x > third/party/new.c", sandboxed, before: "mkdir -p third/party; echo '[submodule \"p\"]' > "
                + ".gitmodules; git add .; git update-index --add --cacheinfo "
                + "160000,1234567890123456789012345678901234567890,third/party; git commit -qm sub");
        AssertKept(capture, "third/party");
    }

    [Fact]
    public async Task F72_A_submodule_that_was_left_alone_keeps_nothing()
    {
        var capture = await stage.RunAsync(
            "echo x > a", before: "mkdir party; git update-index --add --cacheinfo "
                + "160000,1234567890123456789012345678901234567890,party; git commit -qm sub");
        Assert.Null(capture.Failure);
        Assert.Equal(CaptureState.Bundled, capture.State);
    }

    [Theory]
    [InlineData("echo work > kept.txt; git stash -q", "heads/stash:kept.txt")]
    [InlineData("echo work > new; git stash -q -u", "heads/stash^3:new")]
    [InlineData("echo work > kept.txt; git stash -q; echo 2 > kept.txt; git stash -q", "heads/stash-1:kept.txt")]
    [InlineData("echo work > kept.txt; git stash -q; git stash drop -q", "leftovers/leftovers^1:kept.txt")]
    public async Task F73_A_stash_is_taken(string script, string where)
    {
        var capture = await stage.RunAsync(script);
        Assert.Null(capture.Failure);
        Assert.Equal("work", stage.Result(where));
    }

    [Theory]
    [InlineData(
        "git checkout -q -b other; echo work > a; git add a; git commit -qm o; git checkout -q main; echo stray > s",
        "heads/other:a")]
    [InlineData("git checkout -q -b x/y; echo work > a; git add a; git commit -qm o; git checkout -q main; echo 2 > b; "
        + "git add b; git commit -qm 2", "heads/x-y:a")]
    [InlineData("echo work > a; git add a; git commit -qm 1; git tag -a -m t v1; git reset -q --hard HEAD~1",
        "tags/v1:a")]
    [InlineData("echo work > a; git add a; git commit -qm 1; git tag v1", "tags/v1:a")]
    [InlineData("echo 1 > s; git add s; git commit -qm s; git notes add -m work", "heads/notes-commits^{tree}")]
    [InlineData("echo work > a; git add a; git commit -qm 1; git reset -q --hard HEAD~1", "leftovers/leftovers^1:a")]
    [InlineData("echo work > a; git add a; git commit -qm 1; echo no > a; git commit -qa --amend -m 2",
        "leftovers/leftovers^1:a")]
    [InlineData("git checkout -q --detach; echo work > a; git add a; git commit -qm 1; git checkout -q main",
        "leftovers/leftovers^1:a")]
    [InlineData("git worktree add -q -b side wt; cd wt; echo work > a; git add a; git commit -qm s; "
        + "echo 2 > ../b", "heads/side:a")]
    [InlineData("git worktree add -q --detach wt; cd wt; echo work > a", "heads/worktree-wt:a")]
    [InlineData("git worktree add -q -b side wt; echo work > wt/a; echo 2 > b", "heads/side:a")]
    [InlineData("echo 1 > a; git add a; git commit -qm 1; git checkout -q -b t HEAD~1; echo 2 > a; git add a; "
        + "git commit -qm 2; git rebase -q main; true", "heads/t:a")]
    public async Task F74_What_is_on_another_branch_is_taken(string script, string where)
    {
        var capture = await stage.RunAsync(script);
        Assert.Null(capture.Failure);
        var text = where.EndsWith('}') ? stage.Git("rev-parse", $"refs/berth/out/{where}") : stage.Result(where);
        Assert.True(where.Contains("/t:", StringComparison.Ordinal) || text is "work" or { Length: 40 or 41 }, text);
        Assert.DoesNotContain("160000", stage.HeadTree(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task F74_A_file_that_was_staged_and_lost_is_taken()
    {
        var capture = await stage.RunAsync(
            "echo work > a; git add a; git rm -qf a; echo other > b; git add b; echo x > b");
        Assert.Null(capture.Failure);
        var files = stage.Git("ls-tree", "--name-only", "refs/berth/out/leftovers/leftovers").Split('\n');
        Assert.Equal(2, files.Count(name => name.StartsWith("file-", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task F74_A_file_in_git_s_own_folder_is_taken()
    {
        var capture = await stage.RunAsync(
            "mkdir -p .git/notes; echo work > .git/notes/plan.md; echo x > .git/hooks/h");
        Assert.Null(capture.Failure);
        Assert.Equal("work", stage.Result("leftovers/leftovers:git-notes+plan.md"));
        Assert.Equal("x", stage.Result("leftovers/leftovers:git-hooks+h"));
    }

    [Theory]
    [InlineData("git worktree add -q ../wt; echo x > ../wt/a; rm -rf ../wt", "wt")]
    [InlineData("mkdir -p sub/.git; echo x > sub/.git/note; echo y > sub/a", "sub/.git")]
    [InlineData("mkfifo pipe", "pipe")]
    [InlineData("mkdir .git/lfs; head -c 2000000 /dev/urandom > .git/lfs/x", "lfs/x")]
    [InlineData("git init -q inner; echo x > inner/b; git -C inner add b; git -C inner commit -qm i", "inner")]
    [InlineData("echo secret > .git/info/exclude; echo x > secret", "secret")]
    [InlineData("p=$(printf 'n%.0s' $(seq 240)); for i in $(seq 20); do mkdir $p && cd $p; done; echo x > deep", "nnn")]
    public async Task F75_What_git_passes_over_is_named_and_kept(string script, string name)
    {
        AssertKept(await stage.RunAsync(script), name);
    }

    [Theory]
    [InlineData("git update-index --skip-worktree kept.txt; echo work > kept.txt", "kept.txt")]
    [InlineData("git update-index --assume-unchanged kept.txt; echo work > kept.txt", "kept.txt")]
    [InlineData("git sparse-checkout set --no-cone nothing; echo work > kept.txt; echo 1 > other", "kept.txt")]
    [InlineData("mkdir d; echo work > d/a; chmod 000 d", "d/a")]
    [InlineData("mkdir -p d/e; echo work > d/e/a; chmod 000 d/e/a d/e d", "d/e/a")]
    [InlineData("touch -r kept.txt ref; echo work > kept.txt; touch -r ref kept.txt; rm ref", "kept.txt")]
    public async Task F75_What_only_a_flag_a_mode_or_a_date_hides_is_on_the_branch(string script, string file)
    {
        var capture = await stage.RunAsync(script);
        Assert.Null(capture.Failure);
        Assert.Equal("work", stage.Git("show", $"refs/result:{file}").Trim());
    }

    [Fact]
    public async Task F75_A_sparse_checkout_deletes_nothing_on_the_branch()
    {
        var capture = await stage.RunAsync("git sparse-checkout set --no-cone kept.txt; echo work > kept.txt");
        Assert.Null(capture.Failure);
        Assert.Contains("old.txt", stage.HeadTree(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("* text", "true")]
    [InlineData("* text eol=crlf", "touch dos.txt mixed.txt")]
    [InlineData("* text=auto", "touch dos.txt; git status")]
    public async Task G78_What_only_git_would_change_is_not_the_runs_work(string attributes, string script)
    {
        var capture = await stage.RunAsync(
            script,
            before: "printf 'a\\r\\nb\\r\\n' > dos.txt; printf 'a\\r\\nb\\n' > mixed.txt; git add .; "
                + $"git commit -qm crlf; echo '{attributes}' > .gitattributes; git add .gitattributes; "
                + "git commit -qm attributes");
        Assert.Equal((CaptureState.Unchanged, null), (capture.State, capture.Failure));
    }

    [Fact]
    public async Task G78_A_change_in_such_a_file_is()
    {
        var capture = await stage.RunAsync(
            "echo more >> dos.txt",
            before: "printf 'a\\r\\nb\\r\\n' > dos.txt; printf 'a\\r\\n' > two.txt; git add .; git commit -qm crlf; "
                + "echo '* text' > .gitattributes; git add .gitattributes; git commit -qm attributes");
        Assert.Null(capture.Failure);
        Assert.Equal("dos.txt", stage.Git("diff", "--name-only", "refs/result^", "refs/result").Trim());
    }

    [Fact]
    public async Task F75_Ignored_folders_may_go_and_are_measured()
    {
        var capture = await stage.RunAsync(
            "mkdir build; head -c 3000000 /dev/zero > build/out; echo x > a", before: "echo build/ > .gitignore; "
                + "git add .; git commit -qm ignore");
        Assert.Null(capture.Failure);
        Assert.Contains("build/ (1 files, 2929 KiB)", Assert.Single(capture.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public async Task F75_Conflicts_and_operations_in_progress_are_said()
    {
        var capture = await stage.RunAsync(
            "git checkout -q -b b; echo b > kept.txt; git commit -qam b; git checkout -q main; echo c > kept.txt; "
            + "git commit -qam c; git merge -q b; true");
        Assert.Contains(capture.Remarks, line => line.Contains("kept.txt", StringComparison.Ordinal));
        Assert.Contains(capture.Remarks, line => line.Contains("a merge", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("git reset -q --hard HEAD~1")]
    [InlineData("git checkout -q --detach HEAD~1")]
    [InlineData("git pack-refs --all; git reset -q --hard HEAD~1")]
    public async Task G85_A_head_that_was_moved_below_the_base_is_said(string script)
    {
        var capture = await stage.RunAsync(script);
        Assert.Equal((CaptureState.Unchanged, null), (capture.State, capture.Failure));
        var below = stage.Git("rev-parse", "HEAD~1").Trim();
        Assert.Contains($"moved back to {below}", Assert.Single(capture.Remarks), StringComparison.Ordinal);
    }

    [Fact]
    public async Task G85_A_head_that_came_back_to_the_base_is_nothing_to_say()
    {
        var capture = await stage.RunAsync("git reset -q --hard HEAD~1; git reset -q --hard ORIG_HEAD");
        Assert.Equal((CaptureState.Unchanged, 0), (capture.State, capture.Remarks.Count));
    }

    private static void AssertKept(CaptureRecord capture, string name)
    {
        Assert.NotEqual(CaptureState.Failed, capture.State);
        Assert.Equal("capture_incomplete", capture.Failure?.Code);
        Assert.Contains(name, capture.Failure!.Message, StringComparison.Ordinal);
    }
}
