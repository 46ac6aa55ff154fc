using Berth.Protocol;
using Berth.Supervisor;
using Xunit;

namespace Berth.Tests.Supervisor;

public sealed class RunWatchTests
{
    private readonly ManualTime time = new();

    [Fact]
    public void The_stop_plan_goes_through_its_four_stages()
    {
        var watch = Watch();
        watch.RequestStop(ExitCause.Cancelled, now: false);
        Assert.Equal(WatchAction.Interrupt, Next(watch, canInterrupt: true));
        Assert.Equal(WatchAction.None, Next(watch, canInterrupt: true));
        AssertAfter(watch, 5, WatchAction.TermAgent);
        AssertAfter(watch, 10, WatchAction.TermAll);
        AssertAfter(watch, 3, WatchAction.Kill);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(WatchAction.None, Next(watch));
        Assert.Equal(ExitCause.Cancelled, watch.Cause);
    }

    [Fact]
    public void An_agent_that_cannot_be_interrupted_is_terminated_at_once()
    {
        var watch = Watch();
        watch.RequestStop(ExitCause.Cancelled, now: false);
        Assert.Equal(WatchAction.TermAgent, Next(watch, canInterrupt: false));
    }

    [Fact]
    public void A_second_cancel_skips_to_the_kill()
    {
        var watch = Watch();
        watch.RequestStop(ExitCause.Cancelled, now: false);
        Assert.Equal(WatchAction.Interrupt, Next(watch, canInterrupt: true));
        Assert.False(watch.IsForced);
        watch.RequestStop(ExitCause.Cancelled, now: false);
        Assert.Equal(WatchAction.Kill, Next(watch));
        Assert.True(watch.IsForced);
    }

    [Fact]
    public void A_forced_cancel_kills_at_once()
    {
        var watch = Watch();
        watch.RequestStop(ExitCause.Cancelled, now: true);
        Assert.Equal(WatchAction.Kill, Next(watch));
    }

    [Fact]
    public void A_cancel_after_the_time_limit_does_not_skip_the_plan_nor_change_the_cause()
    {
        var watch = Watch(new ExecutionLimits { Timeout = TimeSpan.FromSeconds(60) });
        time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(WatchAction.Interrupt, Next(watch, canInterrupt: true));
        watch.RequestStop(ExitCause.Cancelled, now: false);
        Assert.Equal(WatchAction.None, Next(watch));
        Assert.Equal(ExitCause.TimedOut, watch.Cause);
    }

    [Fact]
    public void Silence_is_reported_once_and_again_after_new_output()
    {
        var watch = Watch(new ExecutionLimits { IdleReport = TimeSpan.FromMinutes(10) });
        AssertAfter(watch, 600, WatchAction.ReportIdle);
        time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(WatchAction.None, Next(watch));
        watch.SawOutput();
        Assert.Equal(WatchAction.None, Next(watch));
        AssertAfter(watch, 600, WatchAction.ReportIdle);
        Assert.Null(watch.Cause);
    }

    [Fact]
    public void Silence_stops_the_run_only_where_it_was_so_configured()
    {
        var watch = Watch(new ExecutionLimits { IdleStop = TimeSpan.FromSeconds(30) });
        AssertAfter(watch, 30, WatchAction.TermAgent);
        Assert.Equal(ExitCause.IdleStopped, watch.Cause);
    }

    [Fact]
    public void Silence_after_the_result_is_a_hang_and_any_later_line_is_not()
    {
        var watch = Watch(new ExecutionLimits { ResultGrace = TimeSpan.FromSeconds(30) });
        watch.SawOutput();
        watch.SawLine(TalkState.Over);
        time.Advance(TimeSpan.FromSeconds(29));
        watch.SawOutput();
        watch.SawLine(TalkState.InTurn);
        time.Advance(TimeSpan.FromSeconds(40));
        Assert.Equal(WatchAction.None, Next(watch));
        watch.SawOutput();
        watch.SawLine(TalkState.Over);
        AssertAfter(watch, 30, WatchAction.TermAgent);
        Assert.Equal(ExitCause.HungAfterResult, watch.Cause);
    }

    [Fact]
    public void A_turn_that_was_interrupted_waits_for_a_message_and_is_not_idle_meanwhile()
    {
        var watch = Watch(new ExecutionLimits
        {
            InterruptHold = TimeSpan.FromMinutes(10),
            IdleStop = TimeSpan.FromMinutes(1),
            ResultGrace = TimeSpan.FromSeconds(30),
        });
        watch.SawLine(TalkState.Held);
        for (var i = 0; i < 9; i++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal(WatchAction.None, Next(watch));
        }

        AssertAfter(watch, 60, WatchAction.EndTalk);
        AssertAfter(watch, 30, WatchAction.TermAgent);
        Assert.Equal(ExitCause.HungAfterResult, watch.Cause);
    }

    [Fact]
    public void A_message_that_the_agent_does_not_begin_with_ends_the_talk()
    {
        var watch = Watch(new ExecutionLimits { ResultGrace = TimeSpan.FromSeconds(30) });
        watch.SawOutput();
        watch.SawLine(TalkState.MessageWaits);
        AssertAfter(watch, 30, WatchAction.EndTalk);
        Assert.Null(watch.Cause);
    }

    [Fact]
    public void The_wait_ends_with_the_next_limit()
    {
        var watch = Watch(new ExecutionLimits { Timeout = TimeSpan.FromMilliseconds(400) });
        _ = watch.Next(canInterrupt: false, out var wait);
        Assert.Equal(TimeSpan.FromMilliseconds(400), wait);
    }

    private static WatchAction Next(RunWatch watch, bool canInterrupt = false) => watch.Next(canInterrupt, out _);

    private void AssertAfter(RunWatch watch, int seconds, WatchAction expected)
    {
        time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        Assert.Equal(WatchAction.None, Next(watch));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(expected, Next(watch));
    }

    private RunWatch Watch(ExecutionLimits? limits = null)
    {
        var watch = new RunWatch(limits ?? new ExecutionLimits(), new StopPlan(), time);
        watch.Begin();
        return watch;
    }
}
