using Berth.Engine.Docker;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>The conformance suite over containers of a real Docker daemon, and what only containers have.</summary>
public sealed class DockerExecutorTests : ExecutorConformance
{
    private readonly DockerClient docker = NewClient();

    private protected override ExecutorStage Stage { get; } = new(SandboxKind.Container, NewExecutor);

    internal static DockerClient NewClient() =>
        new(DockerEndpoint.Parse(SystemTestEnvironment.DockerHost), TimeProvider.System);

    internal static IExecutor NewExecutor(string runsFolder) => NewExecutor(runsFolder, NewClient());

    internal static IExecutor NewExecutor(string runsFolder, DockerClient client) => new DockerExecutor(
        new DockerExecutorOptions
        {
            RunsFolder = runsFolder,
            SupervisorPath = SystemTestEnvironment.PublishedSupervisor,
            Image = SystemTestEnvironment.RunImage,
            ReplyLimit = TimeSpan.FromSeconds(2),
        },
        client,
        new JournalReader(TimeProvider.System),
        TimeProvider.System);

    [Fact]
    public async Task A12_A_child_that_kills_all_it_may_ends_only_its_run_and_not_its_supervisor()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(
            run,
            """
            sleep 1
            for signal in 9 15 11 19; do kill -$signal 1 2>/dev/null && echo "signalled init with $signal"; done
            for task in /proc/1/task/*; do kill -11 ${task##*/} 2>/dev/null && echo "signalled $task"; done
            echo said; kill -9 -1 2>/dev/null; kill -9 $$
            """);

        var exit = await Stage.RunAsync(spec);

        Assert.Equal((ExitCause.Exited, 9), (exit.Cause, exit.Signal));
        Assert.Equal(["said"], await Stage.PrintedAsync(spec.RunId));
        await ExecutorStage.NoProcessesAsync(spec.RunId);
    }

    [Fact]
    public async Task A13_A_memory_hog_and_a_fork_bomb_meet_their_limits()
    {
        var policy = Stage.Policy with { MemoryBytes = 128L * 1024 * 1024, Processes = 60, Cpus = 1.5m };
        var hog = Stage.Shell(Stage.NewRun(), """perl -e '$x = "x" x 1_000_000_000'""") with { Policy = policy };

        // At once: the supervisor's threads count too, so it has them before.
        var bomb = Stage.Shell(Stage.NewRun(), "for i in $(seq 100); do sleep 600 & done; exit 3") with
        {
            Policy = policy,
        };
        var calm = Stage.Shell(Stage.NewRun(), "kill -9 $$") with { Policy = policy };

        var exits = await Task.WhenAll(Stage.RunAsync(hog), Stage.RunAsync(bomb), Stage.RunAsync(calm));

        Assert.Equal((true, false), (exits[0].OutOfMemory, exits[0].ProcessLimit));
        Assert.Equal((false, true), (exits[1].OutOfMemory, exits[1].ProcessLimit));
        Assert.Equal((false, false), (exits[2].OutOfMemory, exits[2].ProcessLimit));
    }

    [Fact]
    public async Task A13_A_run_that_has_used_up_its_processes_can_still_be_stopped()
    {
        var spec = Stage.Shell(Stage.NewRun(), "while :; do sleep 600 & done") with
        {
            Policy = Stage.Policy with { Processes = 60 },
        };
        await Stage.StartAsync(spec);
        await Eventually.SomeAsync(
            async () => (await Stage.PrintedAsync(spec.RunId)).FirstOrDefault(
                line => line.Contains("fork", StringComparison.Ordinal)),
            "the limit is met");

        Assert.True(await Stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Ending));

        var exit = await Stage.EndOfAsync(spec.RunId);
        Assert.Equal((ExitCause.Cancelled, true), (exit.Cause, exit.ProcessLimit));
        Assert.Empty(exit.Leaked);
    }

    [Fact]
    public async Task B19_A_daemon_that_is_down_or_hangs_is_an_error_of_its_own_within_10_s_that_names_the_socket()
    {
        var dead = $"unix://{Stage.RunsFolder}/none.sock";
        await using var silent = new SilentDaemon(Path.Combine(Stage.RunsFolder, "silent.sock"));
        foreach (var (host, code) in new[] { (dead, "docker_unreachable"), (silent.Host, "docker_not_answering") })
        {
            var run = Stage.NewRun();
            var client = new DockerClient(DockerEndpoint.Parse(host), TimeProvider.System);
            var executor = NewExecutor(Stage.RunsFolder, client);

            var thrown = await Assert.ThrowsAsync<FailureException>(() => executor
                .ExecuteClaudeTaskAsync(Stage.Shell(run, "true"), Ending)
                .WaitAsync(TimeSpan.FromSeconds(10), Ending));
            var probe = await executor.ProbeAsync(Stage.Policy, SystemTestEnvironment.FakeClaude, Ending)
                .WaitAsync(TimeSpan.FromSeconds(10), Ending);

            Assert.Equal((code, code), (thrown.Failure.Code, probe.Failure!.Code));
            Assert.Contains(host, thrown.Failure.Message, StringComparison.Ordinal);
            Assert.Equal(
                ExecutionState.NeverStarted,
                (await executor.RecoverAsync(ExecutorStage.IdOf(run), Ending)).State);
        }
    }

    [Fact]
    public async Task B20_While_the_daemon_is_down_a_run_goes_on_and_can_be_followed_asked_and_ended()
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        await Stage.StartAsync(Stage.Shell(run, "echo said; sleep 600"));
        var nobody = new DockerClient(
            DockerEndpoint.Parse($"unix://{Stage.RunsFolder}/none.sock"), TimeProvider.System);
        var executor = NewExecutor(Stage.RunsFolder, nobody);

        Assert.Equal(ExecutionState.Running, (await executor.RecoverAsync(id, Ending)).State);
        Assert.True(await executor.CancelExecutionAsync(id, force: true, Ending));
        await Eventually.TrueAsync(
            async () => (await executor.RecoverAsync(id, Ending)).State == ExecutionState.Exited, "the run ends");
        var leaks = await executor.CleanUpAsync(id, keepWorkspace: false, Ending);

        Assert.StartsWith($"container berth-{id}: Docker was to be reached", Assert.Single(leaks),
            StringComparison.Ordinal);
        Assert.False(Path.Exists(run.Workspace));
        Assert.Contains(await Stage.Executor.ListOwnedAsync(Ending), owned => IsRun(owned, id));
        Assert.Empty(await Stage.CleanUpAsync(id));
        Assert.DoesNotContain(await Stage.Executor.ListOwnedAsync(Ending), owned => IsRun(owned, id));
    }

    [Fact]
    public async Task B21_An_image_that_is_missing_and_a_name_that_is_taken_are_errors_of_their_own()
    {
        var (one, other) = (Stage.NewRun(), Stage.NewRun());
        var missing = Stage.Shell(one, "true") with { Policy = Stage.Policy with { Image = "no-such-image:1" } };
        var absent = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(missing));
        var name = $"berth-{ExecutorStage.IdOf(other)}";
        var stranger = await StrangerAsync(name);
        var taken = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(Stage.Shell(other, "true")));
        Assert.Empty(await Stage.CleanUpAsync(ExecutorStage.IdOf(other)));

        Assert.Equal("image_missing", absent.Failure.Code);
        Assert.Contains("'no-such-image:1'", absent.Failure.Message, StringComparison.Ordinal);
        Assert.Contains("docker pull no-such-image:1", absent.Failure.Hint, StringComparison.Ordinal);
        Assert.Equal("container_name_taken", taken.Failure.Code);
        Assert.NotNull(await docker.FindAsync(stranger, Ending));
        Assert.True(await docker.RemoveAsync(stranger, Ending));
    }

    [Fact]
    public async Task B21_A_container_that_is_removed_or_killed_by_hand_is_a_lost_run_with_its_work_kept()
    {
        foreach (var (isRemoved, code) in new[] { (true, "container_removed"), (false, "supervisor_died") })
        {
            var run = Stage.NewRun();
            var id = ExecutorStage.IdOf(run);
            var handle = await Stage.StartAsync(Stage.Shell(run, "echo partial > work.txt; echo said; sleep 600"));
            await Eventually.SomeAsync(
                async () => (await Stage.PrintedAsync(id)) is { Count: > 0 } lines ? lines : null, "the agent speaks");
            if (isRemoved)
            {
                Assert.True(await docker.RemoveAsync(handle.ContainerId!, Ending));
            }
            else
            {
                await docker.KillAsync(handle.ContainerId!, Ending);
            }

            await Eventually.TrueAsync(() => !handle.Supervisor.IsAlive, "the container is dead");
            var recovered = await Stage.Executor.RecoverAsync(id, Ending);

            Assert.Equal((ExecutionState.Gone, code), (recovered.State, recovered.Failure!.Code));
            Assert.Equal(["said"], await Stage.PrintedAsync(id, follow: true));
            Assert.True(File.Exists(Path.Combine(run.Workspace, "work.txt")));
            Assert.Empty(await Stage.CleanUpAsync(id));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task B21_A_paused_container_is_a_live_run_and_a_cancel_lets_it_go_on_to_its_end(bool force)
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        var handle = await Stage.StartAsync(Stage.Shell(run, "sleep 600"));
        await Stage.EventAsync(id, BerthEvents.AgentStarted);
        await PostAsync(handle.ContainerId!, "pause");

        Assert.Equal(ExecutionState.Running, (await Stage.Executor.RecoverAsync(id, Ending)).State);
        Assert.True(await Stage.Executor.CancelExecutionAsync(id, force, Ending));

        Assert.Equal(ExitCause.Cancelled, (await Stage.EndOfAsync(id)).Cause);
        Assert.Empty(await Stage.CleanUpAsync(id));
    }

    [Fact]
    public async Task B21_A_container_paused_past_its_time_limit_ends_as_soon_as_it_goes_on()
    {
        // Long enough to pause both on a loaded machine.
        var limit = TimeSpan.FromSeconds(15);
        var runs = new List<(string Id, string Container)>();
        foreach (var run in new[] { Stage.NewRun(), Stage.NewRun() })
        {
            var spec = Stage.Shell(run, "sleep 600");
            var handle = await Stage.StartAsync(spec with { Limits = spec.Limits with { Timeout = limit } });
            await Stage.EventAsync(spec.RunId, BerthEvents.AgentStarted);
            await PostAsync(handle.ContainerId!, "pause");
            runs.Add((spec.RunId, handle.ContainerId!));
        }

        await Task.Delay(limit, Ending);
        foreach (var (id, _) in runs)
        {
            Assert.Equal(ExecutionState.Running, (await Stage.Executor.RecoverAsync(id, Ending)).State);
        }

        await PostAsync(runs[0].Container, "unpause");
        Assert.True(await Stage.Executor.CancelExecutionAsync(runs[1].Id, force: false, Ending));

        Assert.Equal(ExitCause.TimedOut, (await Stage.EndOfAsync(runs[0].Id)).Cause);
        Assert.True((await Stage.EndOfAsync(runs[1].Id)).Cause is ExitCause.TimedOut or ExitCause.Cancelled);
        Assert.Empty(await Stage.CleanUpAsync(runs[0].Id));
        Assert.Empty(await Stage.CleanUpAsync(runs[1].Id));
    }

    [Fact]
    public async Task B21_A_container_that_is_stopped_by_hand_is_a_run_that_was_stopped_and_never_one_that_ended()
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        var handle = await Stage.StartAsync(Stage.Shell(run, "echo partial > work.txt; echo said; sleep 600"));
        await Eventually.SomeAsync(
            async () => (await Stage.PrintedAsync(id)) is { Count: > 0 } lines ? lines : null, "the agent speaks");

        await PostAsync(handle.ContainerId!, "stop");

        Assert.Equal(ExitCause.SupervisorStopped, (await Stage.EndOfAsync(id)).Cause);
        Assert.True(File.Exists(Path.Combine(run.Workspace, "work.txt")));
        Assert.Empty(await Stage.CleanUpAsync(id));
    }

    [Fact]
    public async Task A02_A_container_that_was_made_and_never_started_is_made_anew()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, "echo said");
        await Stage.RunAsync(spec);
        var half = Stage.NewRun();
        var id = ExecutorStage.IdOf(half);
        var owner = await File.ReadAllTextAsync(Path.Combine(Stage.RunsFolder, "docker-owner"), Ending);
        await StrangerAsync($"berth-{id}", ("berth.run", id), ("berth.home", owner));

        Assert.Equal(ExecutionState.NeverStarted, (await Stage.Executor.RecoverAsync(id, Ending)).State);
        var exit = await Stage.RunAsync(Stage.Shell(half, "echo said"));

        Assert.Equal(0, exit.ExitCode);
        Assert.Equal(["said"], await Stage.PrintedAsync(id));
    }

    [Fact]
    public async Task A16_A_home_sees_and_removes_only_its_own_containers()
    {
        await using var neighbour = new ExecutorStage(SandboxKind.Container, NewExecutor);
        var theirs = neighbour.NewRun();
        var handle = await neighbour.StartAsync(neighbour.Shell(theirs, "sleep 600"));
        var ours = Stage.NewRun();
        await Stage.StartAsync(Stage.Shell(ours, "sleep 600"));

        var owned = await Stage.Executor.ListOwnedAsync(Ending);
        Assert.Empty(await Stage.CleanUpAsync(ExecutorStage.IdOf(theirs)));

        Assert.Equal([ExecutorStage.IdOf(ours)], owned.Select(one => one.RunId));
        Assert.True(handle.Supervisor.IsAlive);
    }

    [Fact]
    public async Task An_image_without_git_still_gives_its_changes()
    {
        var run = Stage.NewRun();
        await ExecutorStage.ToolAsync("git", ["-C", run.Workspace, "init", "--quiet", "--initial-branch=main"]);
        var spec = Stage.Shell(run, "command -v git; echo work > work.txt") with
        {
            Policy = Stage.Policy with { Image = SystemTestEnvironment.BareImage },
            Capture = new CapturePlan(null, "Take the work", "Agent", "agent@example.org"),
        };

        var exit = await Stage.RunAsync(spec);

        Assert.Empty(await Stage.PrintedAsync(spec.RunId));
        Assert.Equal((CaptureState.Bundled, null), (exit.Capture?.State, exit.Capture?.Failure));
        await ExecutorStage.ToolAsync("git", ["bundle", "list-heads", run.BundleFile]);
    }

    [Fact]
    public async Task C27_Whatever_the_agent_made_is_removed()
    {
        const string Script = """
            mkdir -p closed/inner odd && touch closed/inner/f odd/$'two\nlines' odd/-rf odd/$'\xff\xfe'
            mkfifo odd/pipe; ln -s / odd/root; ln -s /run/berth/supervisor/run/exit.json odd/exit
            perl -e 'for (1..500) { mkdir "d" or die; chdir "d" or die }'
            chmod 000 closed/inner; chmod 555 closed
            """;
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, Script);
        Assert.Equal(0, (await Stage.RunAsync(spec)).ExitCode);

        Assert.Empty(await Stage.CleanUpAsync(spec.RunId));

        Assert.False(Path.Exists(run.Workspace));
        Assert.True(File.Exists(run.ExitFile));
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        docker.Dispose();
    }

    private static bool IsRun(OwnedExecution owned, string id) =>
        string.Equals(owned.RunId, id, StringComparison.Ordinal);

    private async Task<string> StrangerAsync(string name, params (string Name, string Value)[] labels)
    {
        var order = new ContainerOrder
        {
            Image = SystemTestEnvironment.RunImage,
            Entrypoint = ["/bin/true"],
            Cmd = [],
            Env = [],
            User = "0:0",
            Labels = labels.ToDictionary(label => label.Name, label => label.Value, StringComparer.Ordinal),
            HostConfig = new ContainerHostConfig
            {
                CapAdd = [],
                Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal),
                Mounts = [],
            },
        };
        return await docker.CreateAsync(name, order, Ending)
            ?? throw new InvalidOperationException($"There is a container {name}.");
    }

    // What Berth itself never does needs another way to the daemon.
    private static async Task PostAsync(string container, string verb)
    {
        var endpoint = DockerEndpoint.Parse(SystemTestEnvironment.DockerHost);
        using var transport = new DockerTransport(endpoint, TimeProvider.System);
        var request = new DockerRequest(HttpMethod.Post, $"containers/{container}/{verb}", Eventually.Bound);
        Assert.Equal(204, (int)(await transport.AskAsync(request, Ending)).Status);
    }
}
