using System.Collections.Concurrent;
using System.Data.Common;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Server.Logs;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Dispatch;

/// <summary>Gives waiting runs their places and hosts them, and those that have lost their host.</summary>
/// <remarks>
/// Everything that counts is in the database, the run directories and the supervisors: this object may be gone between
/// any two lines, and the next server goes on. In this process it hosts a run as a task; the run itself belongs to its
/// supervisor.
/// </remarks>
internal sealed partial class Dispatcher(
    BerthEngine engine, PlaceLimits limits, Presence presence, Func<bool> hasRoom, TimeProvider time,
    ILogger<Dispatcher> log) : IAsyncDisposable
{
    // More than can have a place in one turn by far; who waits behind them is looked at in the next.
    private const int MostLookedAt = 2000;
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OrphanInterval = TimeSpan.FromSeconds(10);

    // Each asks git: more at once would only be slower, and take the machine from the runs at work.
    private const int MostAccepting = 8;

    // What is wrong for hours is said once a minute, and not each turn.
    private static readonly TimeSpan SaidAgain = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource stop = new();
    private readonly SemaphoreSlim accepting = new(MostAccepting, MostAccepting);
    private readonly ConcurrentDictionary<string, (PlacedRun? Place, Task Task)> hosted = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim wake = new(0, 1);
    private Task loop = Task.CompletedTask;
    private long orphansSeen;
    private long? databaseSaid;

    /// <summary>Called in a host's task when its run is final and cleaned up.</summary>
    public Action<RunRecord>? Ended { get; init; }

    /// <summary>How many runs have a place here.</summary>
    public int Placed => hosted.Values.Count(run => run.Place is not null);

    /// <summary>Takes up what an earlier server, or a host that died, has left.</summary>
    /// <returns>How many runs.</returns>
    public int Recover()
    {
        orphansSeen = time.GetTimestamp();
        var orphans = engine.ListOrphans().Where(id => !hosted.ContainsKey(id)).ToList();
        foreach (var id in orphans)
        {
            // It was given its place before, and what it is doing cannot wait.
            Host(id, place: null);
        }

        return orphans.Count;
    }

    /// <summary>Begins to give places.</summary>
    /// <param name="url">Where other servers reach this one.</param>
    public void Begin(Uri url) => loop = RunAsync(url);

    /// <summary>Checks a request and creates the run, in its turn.</summary>
    /// <exception cref="Berth.Protocol.FailureException">The request is refused; nothing was created.</exception>
    public async Task<AcceptedRun> AcceptAsync(RunRequest request, CancellationToken cancel)
    {
        await accepting.WaitAsync(cancel);
        try
        {
            var accepted = await engine.AcceptAsync(request, cancel);
            Wake();
            return accepted;
        }
        finally
        {
            accepting.Release();
        }
    }

    /// <summary>There may be a run that waits, or a place that is free.</summary>
    public void Wake()
    {
        try
        {
            wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It was told already.
        }
    }

    /// <summary>Lets go of all runs: their supervisors keep them.</summary>
    /// <param name="patience">How long to wait for their tasks to end.</param>
    public async Task LetGoAsync(TimeSpan patience)
    {
        await stop.CancelAsync();
        await Task.WhenAny(
            Task.WhenAll([loop, .. hosted.Values.Select(run => run.Task)]), Task.Delay(patience, time));
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        stop.Dispose();
        wake.Dispose();
        accepting.Dispose();
    }

    private async Task RunAsync(Uri url)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                presence.Look(url);
                Dispatch();
                if (time.GetElapsedTime(orphansSeen) > OrphanInterval && Recover() is > 0 and var count)
                {
                    LogOrphans(count);
                }

                SayDatabaseWorks();
                await wake.WaitAsync(Turn, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (DbException database)
            {
                // Locked, full or away for a while: that ends no server, and the turns go on.
                SayDatabaseFails(database);
                await Task.Delay(Turn, time);
            }
            catch (Exception failed)
            {
                // The boundary of a turn.
                LogTurn(failed);
                await Task.Delay(Turn, time);
            }
        }
    }

    private void SayDatabaseFails(DbException database)
    {
        if (databaseSaid is not { } said || time.GetElapsedTime(said) > SaidAgain)
        {
            databaseSaid = time.GetTimestamp();
            LogDatabase(database.Message);
        }
    }

    private void SayDatabaseWorks()
    {
        if (databaseSaid is not null)
        {
            databaseSaid = null;
            LogDatabaseWorks();
        }
    }

    private void Dispatch()
    {
        var waiting = engine.ListWaiting(MostLookedAt).Where(run => !hosted.ContainsKey(run.Id)).ToList();
        foreach (var cancelled in waiting.Where(run => run.IsCancelled))
        {
            // It needs no place, only an end.
            Host(cancelled.Id, place: null);
        }

        if (engine.Queue.IsShared && waiting.Exists(run => !run.IsTaken) && !hasRoom())
        {
            // It was accepted elsewhere, perhaps, and another server may have more room.
            waiting.RemoveAll(run => !run.IsTaken);
        }

        var placed = hosted.Values.Select(run => run.Place).OfType<PlacedRun>().ToList();
        foreach (var run in FairChoice.Among([.. waiting.Where(run => !run.IsCancelled)], placed, limits))
        {
            Host(run.Id, new PlacedRun(run.Workflow, run.Repository));
        }
    }

    private void Host(string id, PlacedRun? place)
    {
        // Known before it is begun, so that it is never begun twice.
        var begin = new TaskCompletionSource();
        hosted[id] = (place, HostAsync(id, begin.Task));
        begin.SetResult();
    }

    private async Task HostAsync(string id, Task begin)
    {
        await begin;
        await Task.Yield();
        using var scope = log.BeginScope(new RunScope(id));
        try
        {
            LogBegins(id);
            if (await engine.HostAsync(id, stop.Token))
            {
                Tell(id, engine.Record(id));
            }
            else
            {
                // Somebody else looks after it, and is not to be asked all the time.
                await Task.Delay(Turn, time, stop.Token);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The next server goes on.
        }
        catch (DbException database)
        {
            LogLetGo(id, database.Message);
            await Task.Delay(Turn, time);
        }
        catch (Exception failed)
        {
            // The boundary of one run's host: it is an orphan now, and is taken up again after a while.
            LogHost(id, failed);
            await Task.Delay(Turn, time);
        }
        finally
        {
            hosted.TryRemove(id, out _);
            if (!stop.IsCancellationRequested)
            {
                Wake();
            }
        }
    }

    private void Tell(string id, RunRecord? run)
    {
        LogEnded(id, run is null ? "gone" : RunWord.Of(run.State));
        if (run is not null && run.State.IsFinal() && run.Cleanup != CleanupState.Pending)
        {
            Ended?.Invoke(run);
        }
    }

    [LoggerMessage(1, LogLevel.Information, "run {Run} begins")]
    private partial void LogBegins(string run);

    [LoggerMessage(2, LogLevel.Information, "run {Run} is {State}")]
    private partial void LogEnded(string run, string state);

    [LoggerMessage(3, LogLevel.Warning, "{Count} runs had lost their host; it is here now")]
    private partial void LogOrphans(int count);

    [LoggerMessage(4, LogLevel.Error, "the host of run {Run} failed; it is taken up again")]
    private partial void LogHost(string run, Exception failed);

    [LoggerMessage(6, LogLevel.Warning, "the database cannot be used, and no run gets a place: {Message}")]
    private partial void LogDatabase(string message);

    [LoggerMessage(7, LogLevel.Information, "the database can be used again")]
    private partial void LogDatabaseWorks();

    [LoggerMessage(8, LogLevel.Warning, "run {Run} is its supervisor's alone until it is taken up again: {Message}")]
    private partial void LogLetGo(string run, string message);

    [LoggerMessage(5, LogLevel.Error, "a turn of the dispatcher failed; the next one follows")]
    private partial void LogTurn(Exception failed);
}
