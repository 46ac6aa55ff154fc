using System.Globalization;
using System.Security.Cryptography;
using Berth.Engine.Executors;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>What every executor must hold, whatever it isolates with. Each test has the number of its fault.</summary>
public abstract class ExecutorConformance : IAsyncDisposable
{
    private const int Kill = 9;

    // A number of seconds that no other process sleeps: by it a daemon is found whose environment is empty.
    private readonly string unique =
        RandomNumberGenerator.GetInt32(100_000, 999_999).ToString(CultureInfo.InvariantCulture);

    private protected abstract ExecutorStage Stage { get; }

    private protected static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A01_The_execution_goes_on_without_its_host_and_no_event_is_missing_or_doubled()
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        await Stage.StartAsync(Stage.Shell(run, """for i in $(seq 40); do echo '{"type":"n"}'; sleep 0.02; done"""));
        var first = new List<JournalEntry>();
        using (var bound = new CancellationTokenSource(Eventually.Bound))
        {
            await foreach (var entry in Stage.Executor.GetExecutionLogsAsync(id, 0, follow: true, bound.Token))
            {
                first.Add(entry);
                if (first.Count == 10)
                {
                    break;
                }
            }
        }

        Stage.Restart();
        var rest = await Stage.JournalAsync(id, after: first[^1].Seq, follow: true);

        var exit = await Stage.EndOfAsync(id);
        Assert.Equal(0, exit.ExitCode);
        Assert.Equal(Enumerable.Range(1, (int)exit.LastSeq), first.Concat(rest).Select(entry => (int)entry.Seq));
        Assert.Equal(40, first.Concat(rest).Count(entry => ExecutorStage.Is(entry, "n")));
    }

    [Fact]
    public async Task A02_A_start_that_is_asked_for_many_times_happens_once()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, "echo started; sleep 0.5");

        var handles = new List<ExecutionHandle> { await Stage.StartAsync(spec) };
        Stage.Restart();
        handles.Add(await Stage.StartAsync(spec));
        await Stage.EndOfAsync(spec.RunId);
        handles.Add(await Stage.StartAsync(spec));

        Assert.Single(handles.Distinct());
        Assert.Single(await Stage.PrintedAsync(spec.RunId), "started");
    }

    [Fact]
    public async Task A03_When_the_supervisor_is_killed_its_tree_dies_and_the_work_is_kept()
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        var handle = await Stage.StartAsync(
            Stage.Shell(run, "echo partial > work.txt; echo said; (setsid sleep 600 >/dev/null 2>&1 &); sleep 600"));
        await Eventually.TrueAsync(() => File.Exists(Path.Combine(run.Workspace, "work.txt")), "the agent has worked");
        await Eventually.SomeAsync(
            async () => (await Stage.PrintedAsync(id)) is { Count: > 0 } lines ? lines : null, "the agent speaks");

        Assert.True(handle.Supervisor.Signal(Kill));
        await Eventually.TrueAsync(() => !handle.Supervisor.IsAlive, "the supervisor is dead");
        Stage.Restart();
        var recovered = await Stage.Executor.RecoverAsync(id, Ending);

        Assert.Equal(ExecutionState.Gone, recovered.State);
        Assert.Equal("supervisor_died", recovered.Failure!.Code);
        Assert.Empty(recovered.Leaked);
        await ExecutorStage.NoProcessesAsync(id);
        Assert.Equal(["said"], await Stage.PrintedAsync(id));
        Assert.Equal("partial\n", await File.ReadAllTextAsync(Path.Combine(run.Workspace, "work.txt"), Ending));
        Assert.False(await Stage.Executor.CancelExecutionAsync(id, force: false, Ending));
    }

    [Fact]
    public async Task A04_A_CLI_that_ignores_INT_and_TERM_is_dead_within_the_stop_plan()
    {
        var run = Stage.NewRun();
        var spec = Stage.Fake(run, "ignore INT TERM HUP interrupt", "stubborn-child 600", "say ready", "hang");
        await Stage.StartAsync(spec);
        await Stage.EventAsync(spec.RunId, "assistant");

        Assert.True(await Stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Ending));

        var exit = await Stage.EndOfAsync(spec.RunId);
        Assert.Equal(ExitCause.Cancelled, exit.Cause);
        Assert.Equal(Kill, exit.Signal);
        await ExecutorStage.NoProcessesAsync(spec.RunId);
    }

    [Fact]
    public async Task A05_A_double_forked_daemon_is_dead_when_the_run_ends()
    {
        var run = Stage.NewRun();
        var spec = Stage.Fake(run, $"daemon {unique}", $"bare-daemon {unique}", "result done");

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(0, exit.ExitCode);
        Assert.Empty(exit.Leaked);
        await ExecutorStage.NoProcessesWithAsync(unique);
    }

    [Fact]
    public async Task A06_A_grandchild_that_holds_stdout_does_not_hold_the_run()
    {
        var run = Stage.NewRun();
        var spec = Stage.Fake(run, $"hold-stdout {unique}", "result done");
        spec = spec with { Limits = spec.Limits with { DrainGrace = TimeSpan.FromSeconds(0.5) } };

        var exit = await Stage.RunAsync(spec);

        var ended = (await Stage.JournalAsync(spec.RunId)).First(entry => ExecutorStage.Is(entry, "result")).At;

        // The grandchild holds on for days; a loaded machine needs more than the 5 s that a quiet one is given.
        Assert.InRange(exit.EndedAt - ended, TimeSpan.Zero, TimeSpan.FromSeconds(60));
        Assert.Equal(ExitCause.Exited, exit.Cause);
        await ExecutorStage.NoProcessesWithAsync(unique);
    }

    [Fact]
    public async Task A07_A_result_and_then_a_hang_is_stopped_after_the_grace_and_flagged()
    {
        var run = Stage.NewRun();
        var spec = Stage.Fake(run, "ignore INT TERM interrupt", "result done", "hang");
        spec = spec with { Limits = spec.Limits with { ResultGrace = TimeSpan.FromSeconds(0.5) } };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(ExitCause.HungAfterResult, exit.Cause);
        Assert.Contains(await Stage.JournalAsync(spec.RunId), entry => ExecutorStage.Is(entry, "result"));
    }

    [Fact]
    public async Task A08_Silence_is_reported_first_and_stopped_only_where_that_was_asked_for()
    {
        var (patient, strict) = (Stage.NewRun(), Stage.NewRun());
        var limits = new ExecutionLimits { IdleReport = TimeSpan.FromSeconds(0.3) };
        var patientSpec = Stage.Shell(patient, "sleep 1; echo done") with { Limits = limits };
        var strictSpec =
            Stage.Shell(strict, "sleep 600") with { Limits = limits with { IdleStop = TimeSpan.FromSeconds(0.6) } };

        var exits = await Task.WhenAll(Stage.RunAsync(patientSpec), Stage.RunAsync(strictSpec));

        Assert.Equal(ExitCause.Exited, exits[0].Cause);
        Assert.Equal(ExitCause.IdleStopped, exits[1].Cause);
        foreach (var id in new[] { patientSpec.RunId, strictSpec.RunId })
        {
            Assert.Contains(await Stage.JournalAsync(id), entry => ExecutorStage.Is(entry, BerthEvents.Idle));
        }
    }

    [Fact]
    public async Task A09_A_cancel_at_any_moment_gives_one_outcome()
    {
        var never = Stage.NewRun();
        Assert.False(await Stage.Executor.CancelExecutionAsync(ExecutorStage.IdOf(never), force: false, Ending));

        for (var delay = 0; delay <= 120; delay += 20)
        {
            var run = Stage.NewRun();
            var spec = Stage.Shell(run, "sleep 600");
            var start = Stage.StartAsync(spec);
            await Task.Delay(delay, Ending);
            if (delay % 40 == 0)
            {
                await start;
            }

            await Eventually.TrueAsync(
                async () => await Stage.Executor.CancelExecutionAsync(spec.RunId, force: true, Ending)
                    || (await Stage.Executor.RecoverAsync(spec.RunId, Ending)).State == ExecutionState.Exited,
                "the cancel is taken");
            await start;
            var exit = await Stage.EndOfAsync(spec.RunId);
            Assert.Equal(ExitCause.Cancelled, exit.Cause);
            Assert.False(await Stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Ending));
        }
    }

    [Fact]
    public async Task A09_Fifty_cancels_at_once_give_one_outcome()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, "trap '' INT TERM; while :; do sleep 0.1; done");
        await Stage.StartAsync(spec);

        var taken = await Task.WhenAll(Enumerable.Range(0, 50).Select(
            _ => Stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Ending)))
                .WaitAsync(Eventually.Bound, Ending);

        Assert.Contains(true, taken);
        Assert.Equal(ExitCause.Cancelled, (await Stage.EndOfAsync(spec.RunId)).Cause);
        await ExecutorStage.NoProcessesAsync(spec.RunId);
    }

    [Fact]
    public async Task A10_A_time_limit_is_the_supervisors()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, "echo partial > work.txt; sleep 600");
        spec = spec with { Limits = spec.Limits with { Timeout = TimeSpan.FromSeconds(5) } };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(ExitCause.TimedOut, exit.Cause);
        Assert.True(File.Exists(Path.Combine(run.Workspace, "work.txt")));
    }

    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 1", 1, null)]
    [InlineData("exit 2", 2, null)]
    [InlineData("exit 125", 125, null)]
    [InlineData("exit 126", 126, null)]
    [InlineData("exit 127", 127, null)]
    [InlineData("exit 130", 130, null)]
    [InlineData("exit 143", 143, null)]
    [InlineData("kill -9 $$", null, 9)]
    [InlineData("kill -11 $$", null, 11)]
    public async Task A11_Every_exit_is_told_as_it_was(string script, int? code, int? signal)
    {
        var exit = await Stage.RunAsync(Stage.Shell(Stage.NewRun(), "echo x; " + script));

        Assert.Equal(ExitCause.Exited, exit.Cause);
        Assert.Equal((code, signal), (exit.ExitCode, exit.Signal));
    }

    [Fact]
    public async Task A11_A_CLI_that_cannot_be_started_is_an_error_of_its_own_that_names_the_path()
    {
        var missing = Path.Combine(Stage.RunsFolder, "no-such-cli");
        var plain = Path.Combine(Stage.RunsFolder, "not-executable");
        var foreign = Path.Combine(Stage.RunsFolder, "foreign");
        await File.WriteAllTextAsync(plain, "#!/bin/sh\n", Ending);
        byte[] header = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, .. new byte[11], 40, 0, .. new byte[60]];
        await File.WriteAllBytesAsync(foreign, header, Ending);
        File.SetUnixFileMode(foreign, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        foreach (var (path, code) in new[]
        {
            (missing, "cli_not_found"), (plain, "cli_not_executable"), (foreign, "cli_wrong_architecture"),
        })
        {
            var run = Stage.NewRun();
            var spec = Stage.Shell(run, "true") with { ClaudeBinary = path };
            var thrown = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(spec));
            Assert.Equal(code, thrown.Failure.Code);
            Assert.Contains(path, thrown.Failure.Message, StringComparison.Ordinal);
            Assert.Equal(ExecutionState.NeverStarted, (await Stage.Executor.RecoverAsync(spec.RunId, Ending)).State);
        }
    }

    [Fact]
    public async Task A14_A_process_that_has_the_supervisors_number_now_is_left_alone()
    {
        using var stranger = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/sleep",
            Arguments = ["600"],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal),
        });
        var now = ProcessIdentity.Of(stranger.Id)!;
        ProcessIdentity[] others = [now with { StartTicks = now.StartTicks - 1 }, now with { BootId = "another-boot" }];
        foreach (var old in others)
        {
            var run = Stage.NewRun();
            var id = ExecutorStage.IdOf(run);
            await File.WriteAllTextAsync(run.HandleFile, ExecutorStage.HandleJson(id, old), Ending);

            Assert.False(await Stage.Executor.CancelExecutionAsync(id, force: true, Ending));
            var recovered = await Stage.Executor.RecoverAsync(id, Ending);
            Assert.Equal(ExecutionState.Gone, recovered.State);
            Assert.Equal(!ReferenceEquals(old.BootId, now.BootId), recovered.Rebooted);
            Assert.Empty(await Stage.CleanUpAsync(id));
        }

        Assert.True(now.IsAlive);
        stranger.Signal(Kill);
    }

    [Fact]
    public async Task A18_Children_have_the_default_SIGPIPE_and_no_descriptors_but_three()
    {
        var run = Stage.NewRun();
        var spec =
            Stage.Shell(run, "grep -E 'Sig(Ign|Blk)' /proc/self/status | cut -f2; ls /proc/self/fd | tr '\\n' ' '");

        await Stage.RunAsync(spec);

        var printed = await Stage.PrintedAsync(spec.RunId);
        foreach (var mask in printed.Take(2))
        {
            // Above 31 are the C library's own; SIGPIPE is 13.
            Assert.Equal(0UL, ulong.Parse(mask, NumberStyles.HexNumber, CultureInfo.InvariantCulture) & 0x7fff_ffff);
        }

        // The fourth descriptor is the folder that ls reads.
        Assert.Equal("0 1 2 3 ", printed[2]);
    }

    [Fact]
    public async Task What_the_agent_left_is_captured_into_a_bundle()
    {
        var run = Stage.NewRun();
        await ExecutorStage.ToolAsync("git", ["-C", run.Workspace, "init", "--quiet", "--initial-branch=main"]);
        var spec = Stage.Shell(run, "echo work > work.txt; echo '[user] name = Mallory' > $HOME/.gitconfig") with
        {
            Capture = new CapturePlan(null, "Take the work", "Agent", "agent@example.org"),
        };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(CaptureState.Bundled, exit.Capture?.State);
        Assert.True(exit.Capture!.Committed);
        await ExecutorStage.ToolAsync("git", ["bundle", "list-heads", run.BundleFile]);
    }

    [Fact]
    public async Task A_supervisor_that_cannot_be_asked_is_an_error_of_its_own()
    {
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        var ping = new ControlRequest { Verb = ControlVerb.Ping };
        var early = await Assert.ThrowsAsync<FailureException>(() => Stage.Executor.SendAsync(id, ping, Ending));
        Assert.Equal("execution_not_running", early.Failure.Code);

        await Stage.StartAsync(Stage.Shell(run, "sleep 600"));
        await Stage.Executor.SendAsync(id, ping, Ending);
        var bad = new ControlRequest { Verb = ControlVerb.Note };
        var refused = await Assert.ThrowsAsync<FailureException>(() => Stage.Executor.SendAsync(id, bad, Ending));

        Assert.Equal("control_refused", refused.Failure.Code);
        Assert.Contains(
            await Stage.Executor.ListOwnedAsync(Ending),
            owned => owned.State == ExecutionState.Running && owned.Residue.Count > 3);
    }

    [Fact]
    public async Task A_supervisor_that_hangs_is_killed_with_its_tree_by_force()
    {
        const int Stop = 19;
        var run = Stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        var handle = await Stage.StartAsync(Stage.Shell(run, "(setsid sleep 600 &); sleep 600"));
        await Stage.EventAsync(id, BerthEvents.AgentStarted);
        handle.Supervisor.Signal(Stop);

        var soft = await Assert.ThrowsAsync<FailureException>(
            () => Stage.Executor.CancelExecutionAsync(id, force: false, Ending));
        Assert.Equal("supervisor_not_answering", soft.Failure.Code);
        Assert.True(await Stage.Executor.CancelExecutionAsync(id, force: true, Ending));

        await ExecutorStage.NoProcessesAsync(id);
        Assert.Equal(ExecutionState.Gone, (await Stage.Executor.RecoverAsync(id, Ending)).State);
    }

    [Fact]
    public async Task C28_Clean_up_twice_in_parallel_and_while_it_runs_leaves_nothing()
    {
        var run = Stage.NewRun();
        var spec = Stage.Shell(run, "mkdir -p a/b; touch a/b/c; sleep 600");
        await Stage.StartAsync(spec);
        await Eventually.TrueAsync(() => Directory.Exists(Path.Combine(run.Workspace, "a")), "the agent works");

        var leaks = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Stage.CleanUpAsync(spec.RunId)));

        Assert.All(leaks, Assert.Empty);
        Assert.Empty(await Stage.CleanUpAsync(spec.RunId));
        await ExecutorStage.NoProcessesAsync(spec.RunId);
        Assert.False(Path.Exists(run.Workspace));
        Assert.True(File.Exists(run.JournalFile));
        Assert.DoesNotContain(
            await Stage.Executor.ListOwnedAsync(Ending),
            owned => string.Equals(owned.RunId, spec.RunId, StringComparison.Ordinal));
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Stage.DisposeAsync();
    }
}
