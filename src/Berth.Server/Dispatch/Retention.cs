using Berth.Engine;
using Berth.Engine.Access;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Dispatch;

/// <summary>Removes what ended runs have had for long enough, or too much of, at the start and then once an
/// hour.</summary>
/// <remarks>
/// It does what <c>berth cleanup</c> does, and what it removes is in the log and in the audit table. Runs that are not
/// over, or that somebody still cleans up after, are none of its business.
/// </remarks>
internal sealed partial class Retention(
    BerthEngine engine, RetentionOptions options, TimeProvider time, ILogger<Retention> log) : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    private readonly CancellationTokenSource stop = new();
    private Task loop = Task.CompletedTask;

    /// <summary>Begins.</summary>
    public void Begin() => loop = RunAsync();

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task RunAsync()
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await SweepAsync();
                await Task.Delay(Interval, time, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                // The boundary of a turn: a database or a daemon that is away for a while ends no server.
                LogTurn(failed);
                await Task.Delay(Interval, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task SweepAsync()
    {
        await SweepAsync("artefacts past their lifetime", new() { Extent = CleanupExtent.Expired });
        if (options.Age is { } age)
        {
            var old = new CleanupSelection(OlderThan: age) { Extent = CleanupExtent.WithArtefacts };
            await SweepAsync("runs past BERTH_RETENTION_AGE", old);
        }

        if (options.Bytes is { } bytes)
        {
            await SweepAsync("the oldest runs, beyond BERTH_RETENTION_BYTES", new() { MostBytes = bytes });
        }
    }

    private async Task SweepAsync(string what, CleanupSelection selection)
    {
        var report = await engine.CleanUpAsync(selection with { IsByItself = true }, dryRun: false, stop.Token);
        foreach (var run in report.Runs.Where(run => run.Paths.Count > 0))
        {
            engine.Audit.Add(new Caller("berth", Role.Admin), "run.retention", run.RunId, string.Empty);
            LogRun(run.RunId, what, run.Bytes, run.Leaked.Count);
        }

        if (report.Runs.Count > 0)
        {
            LogSwept(what, report.Runs.Count, report.Bytes);
        }
    }

    [LoggerMessage(50, LogLevel.Information, "run {Run}: removed {Bytes} bytes ({What}); {Leaks} things were left")]
    private partial void LogRun(string run, string what, long bytes, int leaks);

    [LoggerMessage(51, LogLevel.Information, "retention, {What}: {Count} runs, {Bytes} bytes")]
    private partial void LogSwept(string what, int count, long bytes);

    [LoggerMessage(52, LogLevel.Error, "a turn of retention failed; the next one follows in an hour")]
    private partial void LogTurn(Exception failed);
}
