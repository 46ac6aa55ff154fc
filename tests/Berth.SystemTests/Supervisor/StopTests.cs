using System.Diagnostics;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>FAULTS A 4 to 9 and 12: however the agent behaves, the run ends, and nothing of it lives on.</summary>
public sealed class StopTests : IDisposable
{
    // Far above what a loaded machine takes, and far below how long what is stopped here would go on.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);
    private readonly SupervisedFixture run = new();

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task A_cancel_interrupts_the_agent_and_its_result_is_kept()
    {
        run.StartFake("!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True((await run.CancelAsync()).Ok);
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Cancelled, 1), (exit.Cause, exit.ExitCode));
        Assert.Equal(["interrupt"], run.Stages());
        Assert.True(run.Has("result"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_that_ignores_all_signals_is_dead_within_the_stop_plan(bool sandboxed)
    {
        _ = sandboxed ? run.InBubblewrap() : run;
        run.StartFake("!ignore INT TERM HUP interrupt\n!stubborn-child 4711\n!say working\n!hang");
        await run.WaitForAsync("assistant");
        var watch = Stopwatch.StartNew();
        Assert.True((await run.CancelAsync()).Ok);
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Cancelled, 9), (exit.Cause, exit.Signal));
        Assert.Equal(["interrupt", "term", "term_all", "kill"], run.Stages());
        Assert.True(watch.Elapsed < Soon, $"It took {watch.Elapsed}.");
        Assert.Empty(exit.Leaked);
        await SupervisedFixture.NoProcessAsync("sleep\u00004711");
    }

    [Fact]
    public async Task Term_reaches_the_agent_inside_the_sandbox_and_not_the_sandbox()
    {
        run.Stop = run.Stop with { TermGrace = TimeSpan.FromSeconds(20) };
        run.InBubblewrap().StartFake("!ignore interrupt\n!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True((await run.CancelAsync()).Ok);
        var exit = await run.EndAsync();
        Assert.Equal(["interrupt", "term"], run.Stages());
        Assert.Equal(143, exit.ExitCode);
    }

    [Fact]
    public async Task A_second_cancel_kills_at_once_and_fifty_change_nothing()
    {
        var patient = TimeSpan.FromHours(1);
        run.Stop = new StopPlan { InterruptGrace = patient, TermGrace = patient, TermAllGrace = patient };
        run.StartFake("!ignore INT TERM HUP interrupt\n!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True((await run.CancelAsync()).Ok);

        // The run may be over before the last of them is heard; none of them hears a no before that.
        var replies = await Task.WhenAll(Enumerable.Range(0, 49).Select(_ => run.TryCancelAsync()));
        Assert.All(replies, reply => Assert.True(reply is null or { Ok: true }));
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.Cancelled, exit.Cause);
        Assert.Equal("kill", run.Stages()[^1]);
    }

    [Theory]
    [InlineData("daemon 4712")]
    [InlineData("bare-daemon 4712")]
    public async Task A_daemon_that_left_the_session_is_killed_when_the_run_ends(string verb)
    {
        run.StartFake($"!{verb}");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Exited, 0), (exit.Cause, exit.ExitCode));
        Assert.True(exit.LeftoversKilled > 0);
        Assert.True(run.Has(BerthEvents.LeftoversKilled));
        await SupervisedFixture.NoProcessAsync("sleep\u00004712");
    }

    [Fact]
    public async Task A_daemon_in_a_sandbox_ends_with_it()
    {
        run.InBubblewrap().StartFake("!bare-daemon 4713");
        var exit = await run.EndAsync();
        Assert.Equal(0, exit.ExitCode);
        await SupervisedFixture.NoProcessAsync("sleep\u00004713");
    }

    [Fact]
    public async Task A_grandchild_that_holds_stdout_does_not_hold_the_run()
    {
        run.StartFake("!hold-stdout 4714\n!say last words");
        await run.WaitForAsync("result");
        var watch = Stopwatch.StartNew();
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.Exited, exit.Cause);
        Assert.True(watch.Elapsed < Soon, $"It took {watch.Elapsed}.");
        await SupervisedFixture.NoProcessAsync("sleep\u00004714");
    }

    [Fact]
    public async Task A_hang_after_the_result_is_ended_and_told_from_a_failure()
    {
        run.StartFake("!say working", "linger");
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.HungAfterResult, exit.Cause);
        Assert.True(run.Has("result"));
    }

    [Fact]
    public async Task Silence_is_reported_and_stopped_where_that_was_configured()
    {
        run.Limits = run.Limits with { IdleReport = TimeSpan.FromMilliseconds(500),
            IdleStop = TimeSpan.FromMilliseconds(1500) };
        run.StartFake("!say working\n!hang");
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.IdleStopped, exit.Cause);
        Assert.True(run.Has(BerthEvents.Idle));
    }

    [Fact]
    public async Task The_time_limit_ends_a_run_and_what_it_had_said_is_kept()
    {
        // Long enough for the agent to have spoken, on a loaded machine too.
        run.Limits = run.Limits with { Timeout = TimeSpan.FromSeconds(10) };
        run.Stop = run.Stop with { TermGrace = TimeSpan.FromSeconds(20) };
        run.StartFake("!say working\n!no-result\n!ignore interrupt\n!hang");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.TimedOut, 143), (exit.Cause, exit.ExitCode));
        Assert.True(run.Has("assistant"));
    }

    [Fact]
    public async Task Sigterm_to_the_supervisor_stops_the_run_and_the_exit_is_written()
    {
        run.StartFake("!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True(run.Supervisor.Signal(15));
        var exit = await run.EndAsync();
        Assert.Equal(ExitCause.SupervisorStopped, exit.Cause);
    }

    [Fact]
    public async Task Killing_the_supervisor_takes_a_sandboxed_tree_with_it()
    {
        run.InBubblewrap().StartFake("!bare-daemon 4715\n!say working\n!hang");
        await run.WaitForAsync("assistant");
        Assert.True(run.Supervisor.Signal(9));
        _ = await run.Supervisor.Exit.WaitAsync(SupervisedFixture.Bound, TestContext.Current.CancellationToken);
        await SupervisedFixture.NoProcessAsync("sleep\u00004715");
        Assert.False(File.Exists(run.Directory.ExitFile));
        Assert.True(run.Has("assistant"));
    }

    [Theory]
    [InlineData("kill parent")]
    [InlineData("kill group")]
    [InlineData("kill all")]
    public async Task An_agent_that_kills_all_it_may_ends_only_itself(string verb)
    {
        run.InBubblewrap().StartFake($"!say working\n!{verb}\n!hang");
        if (verb is "kill parent")
        {
            // The parent is the namespace's init: signals from inside do not reach it. So nothing happens, and the
            // run is cancelled.
            await run.WaitForAsync("assistant");
            Assert.True((await run.CancelAsync(force: true)).Ok);
        }

        var exit = await run.EndAsync();
        Assert.True(exit.Signal == 9 || exit.ExitCode is not null);
        Assert.True(run.Has(BerthEvents.AgentEnded));
    }

    [Fact]
    public async Task An_agent_killed_by_its_own_child_is_reported_with_the_signal()
    {
        run.StartFake("!say working\n!die KILL");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Exited, null, 9), (exit.Cause, exit.ExitCode, exit.Signal));
    }
}
