using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>The conformance suite over local runs in bubblewrap, and what needs a sandbox to be tried at all.</summary>
public sealed class LocalExecutorTests : ExecutorConformance
{
    private static readonly ExecutionPolicy Boxed = new() { Sandbox = SandboxKind.Bubblewrap };

    private readonly List<string> mounts = [];

    private protected override ExecutorStage Stage { get; } = new(SandboxKind.Bubblewrap, NewExecutor);

    internal static IExecutor NewExecutor(string runsFolder) =>
        NewExecutor(runsFolder, SystemTestEnvironment.Supervisor);

    internal static IExecutor NewExecutor(string runsFolder, string supervisor) => new LocalExecutor(
        new LocalExecutorOptions
        {
            RunsFolder = runsFolder,
            SupervisorPath = supervisor,
            ReplyLimit = TimeSpan.FromSeconds(8),
        },
        new JournalReader(TimeProvider.System),
        TimeProvider.System);

    [Fact]
    public async Task A12_A_child_that_kills_its_parent_its_group_and_all_it_may_ends_only_its_run()
    {
        foreach (var victim in new[] { "parent", "group", "all" })
        {
            var run = Stage.NewRun();
            var spec = Stage.Shell(run, victim switch
            {
                "parent" => "kill -9 $PPID; sleep 0.2; exit 0",
                "group" => "kill -9 0",
                _ => "kill -9 -1; exit 0",
            });
            var handle = await Stage.StartAsync(spec);

            await Stage.EndOfAsync(spec.RunId);

            Assert.NotEqual(Environment.ProcessId, handle.Supervisor.Pid);
            await ExecutorStage.NoProcessesAsync(spec.RunId);
        }
    }

    [Fact]
    public async Task A13_A_memory_hog_and_a_fork_bomb_meet_their_limits()
    {
        var can =
            (await Stage.Executor.ProbeAsync(Boxed, SystemTestEnvironment.FakeClaude, Ending))
                .Capabilities;
        Assert.SkipUnless(
            can is { MemoryLimit: true, ProcessLimit: true },
            "This system gives no control groups: `berth doctor` says why.");
        var policy = Stage.Policy with { MemoryBytes = 128L * 1024 * 1024, Processes = 40 };
        var hog = Stage.Shell(Stage.NewRun(), """perl -e '$x = "x" x 1_000_000_000'""") with { Policy = policy };
        var bomb =
            Stage.Shell(Stage.NewRun(), "for i in $(seq 100); do sleep 600 & done; exit 3") with { Policy = policy };

        var exits = await Task.WhenAll(Stage.RunAsync(hog), Stage.RunAsync(bomb));

        Assert.True(exits[0].OutOfMemory);
        Assert.True(exits[1].ProcessLimit);
        foreach (var spec in new[] { hog, bomb })
        {
            Assert.Empty(await Stage.CleanUpAsync(spec.RunId));
            Assert.DoesNotContain(ControlGroups.Detect().FoldersOf(spec.RunId, policy), Directory.Exists);
        }
    }

    [Fact]
    public async Task A13_A_limit_of_processor_time_is_set_before_the_agent_begins()
    {
        var probe = await Stage.Executor.ProbeAsync(Boxed, SystemTestEnvironment.FakeClaude, Ending);
        Assert.SkipUnless(probe.Capabilities.CpuLimit, "This system gives no control groups: `berth doctor` says why.");
        var run = Stage.NewRun();
        var policy = Stage.Policy with { Cpus = 0.5m };
        var spec = Stage.Shell(run, HomeRuns.WaitForGo) with { Policy = policy };
        await Stage.StartAsync(spec);
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(run.Workspace, "started")), "the agent works");

        var folder = Assert.Single(ControlGroups.Detect().FoldersOf(spec.RunId, policy));
        var version2 = Path.Combine(folder, "cpu.max");
        var limit = File.Exists(version2)
            ? await File.ReadAllTextAsync(version2, Ending)
            : await File.ReadAllTextAsync(Path.Combine(folder, "cpu.cfs_quota_us"), Ending);
        Assert.Equal("50000", limit.Split(' ', '\n')[0]);
        Assert.NotEmpty(ControlGroups.Members([folder]));

        await File.WriteAllTextAsync(Path.Combine(run.Workspace, "go"), string.Empty, Ending);
        Assert.Equal(0, (await Stage.EndOfAsync(spec.RunId)).ExitCode);
        Assert.Empty(await Stage.CleanUpAsync(spec.RunId));
        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task C25_A_full_disk_refuses_the_start_and_a_disk_with_room_again_takes_it()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can mount a small disk.");
        var run = Stage.NewRun();
        Directory.Delete(run.Workspace);
        await MountAsync(run.Root, "-t", "tmpfs", "-o", "size=256k,mode=0700", "small-disk");
        Directory.CreateDirectory(run.Workspace);
        var spec = Stage.Shell(run, "echo hello");
        ExecutionPlanFiles(run);
        var ballast = Path.Combine(run.Root, "ballast");
        Fill(ballast);

        var thrown = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(spec));

        Assert.Equal("run_record_not_written", thrown.Failure.Code);
        Assert.False(File.Exists(run.SpecFile));
        File.Delete(ballast);
        Assert.Equal(0, (await Stage.RunAsync(spec)).ExitCode);
    }

    [Fact]
    public async Task C26_Links_out_of_the_workspace_and_a_mount_inside_it_lead_nowhere()
    {
        var outside = Path.Combine(Stage.RunsFolder, "outside");
        Directory.CreateDirectory(outside);
        await File.WriteAllTextAsync(Path.Combine(outside, "precious"), "x", Ending);
        var run = Stage.NewRun();
        var spec = Stage.Shell(
            run, $"ln -s / root; ln -s {outside} home; ln -s {outside}/precious file; mkdir -p deep/mount");
        await Stage.RunAsync(spec);
        if (Environment.IsPrivilegedProcess)
        {
            var mounted = Path.Combine(run.Workspace, "deep", "mount");
            await MountAsync(mounted, "--bind", outside);

            Assert.Contains(mounted, Assert.Single(await Stage.CleanUpAsync(spec.RunId)), StringComparison.Ordinal);
            Assert.True(File.Exists(Path.Combine(mounted, "precious")));
            await UnmountAllAsync();
        }

        Assert.Empty(await Stage.CleanUpAsync(spec.RunId));
        Assert.False(Path.Exists(run.Workspace));
        Assert.True(File.Exists(Path.Combine(outside, "precious")));
    }

    [Fact]
    public async Task C27_Whatever_the_agent_made_is_removed()
    {
        const string Script = """
            mkdir -p closed/inner odd && touch closed/inner/f odd/$'two\nlines' odd/-rf odd/$'\xff\xfe'
            mkfifo odd/pipe
            touch odd/$(printf 'n%.0s' $(seq 255))
            perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un("odd/sock")) or die'
            perl -e 'for (1..5000) { mkdir "d" or die; chdir "d" or die }'
            chmod 000 closed/inner; chmod 555 closed
            """;
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, Script);
        Assert.Equal(0, (await Stage.RunAsync(spec)).ExitCode);

        Assert.Empty(await Stage.CleanUpAsync(spec.RunId));

        Assert.False(Path.Exists(run.Workspace));
    }

    public override async ValueTask DisposeAsync()
    {
        await UnmountAllAsync();
        await base.DisposeAsync();
    }

    // What is made before the spec, so that the full disk meets the spec.
    private static void ExecutionPlanFiles(RunDirectory run) => ExecutionPlan.Prepare(run, Boxed);

    private static void Fill(string path)
    {
        using var file = File.Create(path);
        try
        {
            while (true)
            {
                file.Write(new byte[4096]);
                file.Flush();
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private async Task MountAsync(string point, params string[] words)
    {
        await ExecutorStage.ToolAsync("mount", [.. words, point]);
        mounts.Add(point);
    }

    private async Task UnmountAllAsync()
    {
        foreach (var point in mounts)
        {
            await ExecutorStage.ToolAsync("umount", ["--lazy", point]);
        }

        mounts.Clear();
    }
}
