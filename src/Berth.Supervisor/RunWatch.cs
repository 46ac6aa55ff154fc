using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>What the watch asks for next.</summary>
internal enum WatchAction
{
    None,
    ReportIdle,
    EndTalk,
    Interrupt,
    TermAgent,
    TermAll,
    Kill,
}

/// <summary>Decides when a run is reported, asked to stop, and taken down. It knows time and facts, and touches no
/// process.</summary>
/// <remarks>The first cause wins. Members may be called from any thread; <see cref="Next"/> is the main
/// thread's.</remarks>
internal sealed class RunWatch(ExecutionLimits limits, StopPlan plan, TimeProvider time)
{
    // Also the beat of the flush to disk and of the reaping of orphans.
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private long started = time.GetTimestamp();
    private long lastOutput = time.GetTimestamp();
    private long stageBegan;
    private WatchAction stage = WatchAction.None;
    private ExitCause? cause;
    private int requests;
    private bool force;
    private bool atOnce;
    private TalkState talk;
    private long talkSince = time.GetTimestamp();
    private bool idleReported;

    /// <summary>Why the run is being stopped, or null.</summary>
    internal ExitCause? Cause
    {
        get
        {
            lock (gate)
            {
                return cause;
            }
        }
    }

    /// <summary>Whether the kill was asked for, so that nothing is to be waited for.</summary>
    internal bool IsForced
    {
        get
        {
            lock (gate)
            {
                return force;
            }
        }
    }

    /// <summary>Whether it was to end at once.</summary>
    internal bool IsTakenDown
    {
        get
        {
            lock (gate)
            {
                return atOnce;
            }
        }
    }

    /// <summary>The agent was started.</summary>
    internal void Begin()
    {
        lock (gate)
        {
            started = lastOutput = time.GetTimestamp();
        }
    }

    /// <summary>The agent has written something.</summary>
    internal void SawOutput()
    {
        lock (gate)
        {
            lastOutput = time.GetTimestamp();
            idleReported = false;
        }
    }

    /// <summary>A line of standard output is complete.</summary>
    internal void SawLine(TalkState now)
    {
        lock (gate)
        {
            talkSince = now == talk ? talkSince : time.GetTimestamp();
            talk = now;
        }
    }

    /// <summary>The agent waits for people, and is not idle.</summary>
    internal void WaitsForPeople() => SawOutput();

    /// <summary>Somebody wants the run to end: a second time, or with force, at once.</summary>
    internal void RequestStop(ExitCause why, bool now)
    {
        lock (gate)
        {
            cause ??= why;
            requests++;
            force |= now || requests > 1;
        }
    }

    /// <summary>The run has to end at once: each moment more does harm. Nobody has asked for it, so a stop that
    /// somebody asks for later is still the first.</summary>
    internal void TakeDown(ExitCause why)
    {
        lock (gate)
        {
            cause ??= why;
            atOnce = true;
        }
    }

    /// <summary>What to do now, and how long to wait at most before asking again.</summary>
    internal WatchAction Next(bool canInterrupt, out TimeSpan wait)
    {
        lock (gate)
        {
            wait = Beat;
            lastOutput = talk == TalkState.Held ? time.GetTimestamp() : lastOutput;
            cause ??= ExpiredLimit(ref wait);
            if (cause is not null)
            {
                return NextStage(canInterrupt, ref wait);
            }

            if (TalkHasStalled(ref wait))
            {
                (talk, lastOutput) = (TalkState.Over, time.GetTimestamp());
                return WatchAction.EndTalk;
            }

            if (!idleReported && Expired(lastOutput, limits.IdleReport, ref wait))
            {
                idleReported = true;
                return WatchAction.ReportIdle;
            }

            return WatchAction.None;
        }
    }

    private bool TalkHasStalled(ref TimeSpan wait) => talk switch
    {
        TalkState.Held => Expired(talkSince, limits.InterruptHold, ref wait),
        TalkState.MessageWaits => Expired(lastOutput, limits.ResultGrace, ref wait),
        _ => false,
    };

    private ExitCause? ExpiredLimit(ref TimeSpan wait)
    {
        if (talk == TalkState.Over && Expired(lastOutput, limits.ResultGrace, ref wait))
        {
            return ExitCause.HungAfterResult;
        }

        if (Expired(started, limits.Timeout, ref wait))
        {
            return ExitCause.TimedOut;
        }

        return limits.IdleStop is { } idle && Expired(lastOutput, idle, ref wait) ? ExitCause.IdleStopped : null;
    }

    private WatchAction NextStage(bool canInterrupt, ref TimeSpan wait)
    {
        if (stage == WatchAction.Kill)
        {
            return WatchAction.None;
        }

        if (force || atOnce)
        {
            return Enter(WatchAction.Kill);
        }

        var (grace, next) = stage switch
        {
            WatchAction.None => (TimeSpan.Zero, canInterrupt ? WatchAction.Interrupt : WatchAction.TermAgent),
            WatchAction.Interrupt => (plan.InterruptGrace, WatchAction.TermAgent),
            WatchAction.TermAgent => (plan.TermGrace, WatchAction.TermAll),
            _ => (plan.TermAllGrace, WatchAction.Kill),
        };
        return stage == WatchAction.None || Expired(stageBegan, grace, ref wait) ? Enter(next) : WatchAction.None;
    }

    private WatchAction Enter(WatchAction next)
    {
        stage = next;
        stageBegan = time.GetTimestamp();
        return next;
    }

    private bool Expired(long since, TimeSpan limit, ref TimeSpan wait)
    {
        var left = limit - time.GetElapsedTime(since);
        if (left <= TimeSpan.Zero)
        {
            return true;
        }

        wait = left < wait ? left : wait;
        return false;
    }
}
