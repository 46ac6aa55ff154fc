using System.Data.Common;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>
/// Looks for the stop that somebody asked for, and passes it on to whoever can act on it at that moment.
/// </summary>
/// <remarks>
/// The request is a row of the database, so that it is not lost with any process; the price is this poll.
/// </remarks>
internal sealed class CancelWatch : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private readonly CancellationTokenSource beforeStart = new();
    private readonly CancellationTokenSource afterEnd = new();
    private readonly CancellationTokenSource done = new();
    private readonly string runId;
    private readonly IExecutor executor;
    private readonly RunStore runs;
    private readonly PeriodicTimer poll;
    private readonly Task loop;
    private volatile bool live;
    private volatile bool ended;
    private CancelLevel passedOn;

    public CancelWatch(string runId, IExecutor executor, RunStore runs, TimeProvider time)
    {
        this.runId = runId;
        this.executor = executor;
        this.runs = runs;
        poll = new PeriodicTimer(Poll, time);
        loop = WatchAsync();
    }

    /// <summary>Cancelled when a stop was asked for; to be heeded until the execution is started.</summary>
    public CancellationToken BeforeStart => beforeStart.Token;

    /// <summary>Cancelled when a stop was asked for that no execution was there to heed any more.</summary>
    public CancellationToken AfterEnd => afterEnd.Token;

    /// <summary>From here on a stop is the executor's business.</summary>
    public void ExecutionIsLive() => live = true;

    /// <summary>From here on nothing is left to stop but a push: what was done is captured and delivered.</summary>
    public void ExecutionHasEnded() => (live, ended) = (false, true);

    public async ValueTask DisposeAsync()
    {
        await done.CancelAsync();
        poll.Dispose();
        await loop;
        beforeStart.Dispose();
        afterEnd.Dispose();
        done.Dispose();
    }

    private async Task WatchAsync()
    {
        try
        {
            do
            {
                await LookAsync();
            }
            while (await poll.WaitForNextTickAsync(CancellationToken.None));
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The flow has ended while the supervisor was asked.
        }
    }

    private async Task LookAsync()
    {
        try
        {
            var asked = runs.ReadCancel(runId);
            if (asked <= passedOn)
            {
                return;
            }

            await beforeStart.CancelAsync();
            if (ended)
            {
                await afterEnd.CancelAsync();
            }

            if (live && await executor.CancelExecutionAsync(runId, asked == CancelLevel.Hard, done.Token))
            {
                _ = runs.Move(runId, RunState.Running, RunState.Stopping)
                    || runs.Move(runId, RunState.Waiting, RunState.Stopping);
                passedOn = asked;
            }
        }
        catch (FailureException)
        {
            // The supervisor does not answer at this moment; the next look asks it again.
        }
        catch (DbException)
        {
            // Nor does the database; what was asked for stands there still when it does.
        }
    }
}
