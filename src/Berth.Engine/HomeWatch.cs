using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Ends a host whose home was removed: there is nothing left to record, and it has a key in its
/// environment.</summary>
internal sealed class HomeWatch : IAsyncDisposable
{
    private const int Gone = 70;
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    // A host that lets go does so within a moment; what hangs in a removed folder is not waited for.
    private static readonly TimeSpan LastGrace = TimeSpan.FromSeconds(10);

    private readonly string home;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource done = new();
    private readonly Task loop;

    /// <summary>Begins to watch.</summary>
    /// <param name="home">The home.</param>
    /// <param name="stop">Is cancelled when the home is gone.</param>
    /// <param name="time">The clock.</param>
    public HomeWatch(string home, CancellationTokenSource stop, TimeProvider time)
    {
        (this.home, this.time) = (home, time);
        loop = WatchAsync(stop);
    }

    private bool IsGone => !Directory.Exists(Path.Combine(home, "runs"));

    public async ValueTask DisposeAsync()
    {
        await done.CancelAsync();
        await loop;
        done.Dispose();
    }

    private async Task WatchAsync(CancellationTokenSource stop)
    {
        using var watch = FolderWatch.Open(home, "runs");
        try
        {
            for (var wasGone = false; ; wasGone = IsGone)
            {
                var change = watch?.Next;
                if (IsGone && wasGone)
                {
                    break;
                }

                await FolderWatch.WaitAsync(IsGone ? null : change, IsGone ? Again : Poll, time, done.Token);
            }

            await stop.CancelAsync();
            await Task.Delay(LastGrace, time, done.Token);
            Environment.Exit(Gone);
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The host has ended by itself.
        }
    }
}
