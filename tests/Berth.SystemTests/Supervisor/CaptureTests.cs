using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>Capture with real git, bare and in a sandbox: whatever the agent did to the repository, there is a bundle
/// or a clear reason.</summary>
public sealed class CaptureTests : IDisposable
{
    private const string Identity =
        "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; ";
    private readonly SupervisedFixture run = new();
    private string? baseCommit;

    public void Dispose() => run.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_agent_left_uncommitted_is_committed_and_bundled(bool sandboxed)
    {
        var capture = await RunAsync("echo new > 'file é.txt'; rm old.txt; echo x >> kept.txt", sandboxed);
        AssertBundled(capture, committed: true);
        Assert.Equal("new", Git("show", "refs/result:file é.txt").Trim());
        Assert.Equal("Berth Tests <tests@berth>|The work\n\nBerth-Run: testrun",
            Git("log", "-1", "--format=%an <%ae>|%B", "refs/result").Trim());
        Assert.Equal(baseCommit, Git("rev-parse", "refs/result^").Trim());
        Assert.True(run.Has(BerthEvents.Captured));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Commits_of_the_agents_stay_as_they_are(bool sandboxed)
    {
        AssertBundled(await RunAsync("echo 1 > a; git add a; git commit -qm one; echo 2 > a; git commit -qam two",
            sandboxed), committed: false);
        Assert.Equal("two one", Git("log", "--format=%s", "refs/result", "--not",
            baseCommit!).Trim().ReplaceLineEndings(" "));
    }

    [Theory]
    [InlineData("true")]
    [InlineData("git checkout -q -b other")]
    [InlineData("git tag v1; git branch b")]
    [InlineData("mkdir empty; git init -q .")]
    [InlineData("git reset -q --hard HEAD~1; git reset -q --hard ORIG_HEAD")]
    public async Task A_run_that_changed_nothing_has_no_bundle(string script)
    {
        var capture = await RunAsync(script);
        Assert.Equal(CaptureState.Unchanged, capture.State);
        Assert.False(File.Exists(run.Directory.BundleFile));
    }

    [Theory]
    [InlineData("touch .git/index.lock .git/HEAD.lock .git/refs/heads/main.lock; echo x > a")]
    [InlineData("git checkout -q --detach; echo x > a; git add a; git commit -qm detached")]
    [InlineData("git checkout -q -b other; echo x > a; git add a; git commit -qm other")]
    [InlineData("git checkout -q -b other; echo x > a; git add a; git commit -qm other; git checkout -q main")]
    [InlineData("git commit -q --amend -m rewritten; echo x > a")]
    [InlineData("git checkout -q --orphan lonely; echo x > a")]
    [InlineData("git config core.bare true; git config core.worktree /tmp; git config commit.gpgsign true; echo x > a")]
    [InlineData("git checkout -q -b b1; echo 1 > a; git add a; git commit -qm 1; "
        + "git checkout -q main; echo 2 > a; git add a; git commit -qm 2; git merge -q b1")]
    public async Task Work_is_found_wherever_the_agent_left_it(string script)
    {
        AssertBundled(await RunAsync(script), committed: null);
        Assert.NotEmpty(Git("show", "refs/result:a"));
    }

    [Theory]
    [InlineData("rm -rf .git; echo x > a")]
    [InlineData("rm -rf .git; git init -q; echo x > a")]
    [InlineData("rm -rf .git; git init -q; echo x > a; git add a; git commit -qm fresh")]
    [InlineData("mv .git ../elsewhere; ln -s ../elsewhere .git; echo x > a")]
    [InlineData("mv .git ../elsewhere; echo 'gitdir: ../elsewhere' > .git")]
    [InlineData("cd ..; mv workspace gone; ln -s gone workspace")]
    public async Task A_repository_that_was_replaced_is_a_clear_failure(string script)
    {
        var capture = await RunAsync(script);
        Assert.Equal((CaptureState.Failed, "capture_repository_replaced"), (capture.State, capture.Failure?.Code));
        Assert.False(File.Exists(run.Directory.BundleFile));
    }

    [Theory]
    [InlineData("git init -q inner; cd inner; echo x > b; git add b; git commit -qm inner")]
    [InlineData("git init -q inner; echo x > inner/b")]
    public async Task A_repository_inside_the_repository_is_told(string script)
    {
        var capture = await RunAsync($"echo x > a; {script}");
        AssertBundled(capture, committed: true);
        Assert.Equal("capture_incomplete", capture.Failure?.Code);
        Assert.Contains("inner", capture.Failure!.Message, StringComparison.Ordinal);
        Assert.NotEmpty(Git("show", "refs/result:a"));
    }

    [Theory]
    [InlineData("echo x > a")]
    [InlineData("echo x > a; git add a; git commit -qm first")]
    public async Task The_first_commit_of_an_empty_repository_is_bundled(string script)
    {
        AssertBundled(await RunAsync(script, emptyRepository: true), committed: null);
        Assert.NotEmpty(Git("show", "refs/result:a"));
    }

    [Fact]
    public async Task An_empty_repository_that_stayed_empty_is_unchanged()
    {
        Assert.Equal(CaptureState.Unchanged, (await RunAsync("true", emptyRepository: true)).State);
    }

    [Fact]
    public async Task Hooks_and_monitors_of_the_agents_do_not_run()
    {
        var canary = Path.Combine(run.Directory.Root, "canary");
        AssertBundled(
            await RunAsync(
                $"printf '#!/bin/sh\\ntouch {canary}\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; "
                + "for h in post-commit commit-msg prepare-commit-msg post-index-change reference-transaction; do "
                + "cp .git/hooks/pre-commit .git/hooks/$h; done; mkdir h; cp .git/hooks/* h/; "
                + "git config core.hooksPath $PWD/h; git config core.fsmonitor $PWD/h/pre-commit; echo x > a"),
            committed: true);
        Assert.False(File.Exists(canary));
    }

    [Fact]
    public async Task A_cancelled_run_still_delivers_its_partial_work()
    {
        Prepare(emptyRepository: false, sandboxed: true);
        run.StartFake("!write a partial\n!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True((await run.CancelAsync()).Ok);
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.Cancelled, exit.Cause);
        AssertBundled(exit.Capture!, committed: true);
        Assert.Equal("partial", Git("show", "refs/result:a").Trim());
    }

    [Fact]
    public async Task A_filter_that_hangs_costs_the_capture_and_not_the_run()
    {
        var capture = await RunAsync(
            "git config filter.slow.clean 'sleep 4721'; echo '* filter=slow' > .gitattributes; echo x > a",
                bound: TimeSpan.FromSeconds(2));
        Assert.Equal((CaptureState.Failed, "capture_timed_out"), (capture.State, capture.Failure?.Code));
        await SupervisedFixture.NoProcessAsync("sleep\u00004721");
    }

    [Fact]
    public async Task A_forced_cancel_ends_the_capture_too()
    {
        Prepare(emptyRepository: false, sandboxed: false);
        run.Start("/bin/sh", "-c", "git config filter.slow.clean 'sleep 4722'; echo '* filter=slow' > .gitattributes");
        await Eventually.TrueAsync(
            () => run.Entries().Any(entry =>
                SupervisedFixture.IsType(entry, BerthEvents.Phase)
                && entry.Data.GetProperty("phase").ValueEquals("capture")),
            "the capture", SupervisedFixture.Bound);
        Assert.True((await run.CancelAsync(force: true)).Ok);
        var exit = await run.EndAsync();
        Assert.Equal("capture_cancelled", exit.Capture?.Failure?.Code);
        Assert.Equal(ExitCause.Exited, exit.Cause);
        await SupervisedFixture.NoProcessAsync("sleep\u00004722");
    }

    [Fact]
    public async Task A_git_that_is_not_there_is_told()
    {
        Prepare(emptyRepository: false, sandboxed: false);
        run.Capture = run.Capture! with { Git = "/usr/bin/no-git-here" };
        run.Start("/bin/sh", "-c", "echo x > a");
        var exit = await run.EndAsync();
        Assert.Equal((CaptureState.Failed, "capture_git_failed"), (exit.Capture!.State, exit.Capture.Failure?.Code));
    }

    private async Task<CaptureRecord> RunAsync(
        string script, bool sandboxed = false, bool emptyRepository = false, TimeSpan? bound = null)
    {
        Prepare(emptyRepository, sandboxed);
        run.Capture = run.Capture! with { TimeLimit = bound ?? TimeSpan.FromMinutes(1) };
        run.Start("/bin/sh", "-c", Identity + script);
        return (await run.EndAsync()).Capture!;
    }

    private void Prepare(bool emptyRepository, bool sandboxed)
    {
        if (sandboxed)
        {
            run.InBubblewrap();
        }

        Directory.CreateDirectory(run.Directory.CaptureFolder);
        Host("git", "init", "-q", "-b", "main", Origin);
        if (!emptyRepository)
        {
            Host(
                "sh", "-c", $"cd {Origin}; {Identity} echo 0 > first; git add .; git commit -qm zero; "
                + "echo old > old.txt; echo kept > kept.txt; git add .; git commit -qm base");
            baseCommit = Git("rev-parse", "HEAD").Trim();
        }

        Host("git", "clone", "-q", "--shared", Origin, run.Directory.Workspace);
        run.Capture = new CaptureStep
        {
            Prefix = run.Prefix,
            Wrappers = run.Wrappers,
            Environment = run.AgentEnvironment(),
            Git = "/usr/bin/git",
            Workspace = run.Directory.Workspace,
            Bundle = run.Directory.BundleFile,
            BaseCommit = baseCommit,
            Message = "The work\n\nBerth-Run: testrun",
            AuthorName = "Berth Tests",
            AuthorEmail = "tests@berth",
        };
    }

    private string Origin => Path.Combine(run.Directory.Root, "origin");

    private void AssertBundled(CaptureRecord capture, bool? committed)
    {
        Assert.True(capture.State == CaptureState.Bundled, $"{capture}");
        Assert.Equal(committed ?? capture.Committed, capture.Committed);
        Git("fetch", "-q", run.Directory.BundleFile, "HEAD:refs/result");
        Assert.EndsWith(
            Git("rev-parse", "refs/result"),
            Host("git", "-C", run.Directory.Workspace, "rev-parse", "HEAD"),
            StringComparison.Ordinal);
    }

    private string Git(params string[] arguments) => Host(["git", "-C", Origin, .. arguments]);

    private string Host(params string[] argv)
    {
        var output = Path.Combine(run.Directory.Root, "host-output");
        File.Delete(output);
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = $"/usr/bin/{argv[0]}",
            Arguments = argv[1..],
            Environment = run.AgentEnvironment(),
            Output = ChildStdio.File(output),
            Error = ChildStdio.File(output),
        });
        Assert.True(child.Exit.Wait(SupervisedFixture.Bound), "git goes on and on");
        var text = File.ReadAllText(output);
        Assert.True(child.Exit.Result.Code == 0, $"{string.Join(' ', argv)}: {text}");
        return text;
    }
}
