using System.Data.Common;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Does the steps of a run's host again when a full disk has kept them from being recorded.</summary>
/// <remarks>
/// A host may die between any two lines, so its flow can also be begun again in the same process, which goes on after
/// the last step saved. A host that ended instead would leave the run to the next command, which meets the same disk.
/// </remarks>
internal sealed class RoomToFinish(string folder, string log, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromHours(1);
    private static readonly TimeSpan CollectPatience = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>Whether an error says that the disk is full.</summary>
    public static bool IsFull(Exception error) => error switch
    {
        DbException database => DatabaseFailures.Of(database).Code is "database_full",
        IOException file => DiskSpace.IsFull(file),
        FailureException { Failure.Code: "disk_full" } => true,
        _ => false,
    };

    /// <summary>Acts until no full disk is in the way, for an hour at most.</summary>
    /// <param name="act">Does what is left to do.</param>
    /// <param name="stop">Gives up between two tries.</param>
    public Task RunAsync(Func<Task> act, CancellationToken stop) => RetryAsync(
        async () =>
        {
            await act();
            return true;
        },
        static error => error is not FailureException && IsFull(error),
        Patience,
        stop);

    /// <summary>Takes over a run's work when there is room for it; after ten minutes it fails as it does.</summary>
    public Task<T> CollectAsync<T>(Func<Task<T>> act, CancellationToken stop) =>
        RetryAsync(act, IsFull, CollectPatience, stop);

    private async Task<T> RetryAsync<T>(
        Func<Task<T>> act, Func<Exception, bool> isFull, TimeSpan patience, CancellationToken stop)
    {
        var began = time.GetTimestamp();
        var isSaid = false;
        while (true)
        {
            try
            {
                return await act();
            }
            catch (Exception full) when (isFull(full) && time.GetElapsedTime(began) < patience
                && !stop.IsCancellationRequested && Directory.Exists(folder))
            {
                if (!isSaid)
                {
                    isSaid = true;
                    ErrorLog.SayIn(log, $"The host waits for room on the disk: {full.Message}");
                }
            }

            await Task.Delay(Pause, time, stop);
        }
    }
}
