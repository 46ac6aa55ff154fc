using System.Data.Common;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>
/// Looks for the stop that somebody asked for, and passes it on to whoever can act on it at that moment.
/// </summary>
/// <remarks>
/// The request is a row of the database, so that it is not lost with any process. Whoever writes it touches the file of
/// the host's lock, which is watched; the poll is for those that cannot.
/// </remarks>
internal sealed class CancelWatch : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    // Of a shared database another home may have written the row, where the file is not.
    private static readonly TimeSpan SharedPoll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WatchedPoll = TimeSpan.FromSeconds(10);
    private readonly CancellationTokenSource beforeStart = new();
    private readonly CancellationTokenSource afterEnd = new();
    private readonly CancellationTokenSource done = new();
    private readonly string runId;
    private readonly IExecutor executor;
    private readonly RunStore runs;
    private readonly TimeProvider time;
    private readonly FolderWatch? watch;
    private readonly Task loop;
    private volatile bool live;
    private volatile bool ended;
    private CancelLevel passedOn;

    public CancelWatch(RunDirectory directory, IExecutor executor, RunStore runs, TimeProvider time)
    {
        runId = Path.GetFileName(directory.Root);
        this.executor = executor;
        this.runs = runs;
        this.time = time;
        watch = FolderWatch.Open(directory.Root, RunDirectory.HostLockName);
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
        await loop;
        watch?.Dispose();
        beforeStart.Dispose();
        afterEnd.Dispose();
        done.Dispose();
    }

    private async Task WatchAsync()
    {
        try
        {
            while (true)
            {
                var change = watch?.Next;
                var isSettled = await LookAsync();
                await FolderWatch.WaitAsync(
                    change, !isSettled || watch is null ? Poll : runs.AreShared ? SharedPoll : WatchedPoll, time,
                    done.Token);
            }
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The flow has ended.
        }
    }

    // Whether nothing is left to pass on.
    private async Task<bool> LookAsync()
    {
        try
        {
            var asked = runs.ReadCancel(runId);
            if (asked <= passedOn)
            {
                return true;
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
                return true;
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

        return false;
    }

    /// <summary>Wakes the watch of a run, in whatever process, after a request was written.</summary>
    public static void Wake(RunDirectory directory, TimeProvider time)
    {
        try
        {
            // A new time needs no room on the disk.
            File.SetLastWriteTimeUtc(
                Path.Combine(directory.Root, RunDirectory.HostLockName), time.GetUtcNow().UtcDateTime);
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            // It has no host here.
        }
    }
}
