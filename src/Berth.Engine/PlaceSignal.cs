using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>How a host that waits for a place among the runs at work hears that one is free.</summary>
/// <remarks>A run that has ended touches a file beside all runs. One whose host was killed touches nothing, so whoever
/// waits looks by himself every few seconds too.</remarks>
internal sealed class PlaceSignal(RunDirectory directory, TimeProvider time)
{
    // With a dot in front, so that it is not taken for a run.
    private const string Name = ".places";
    private static readonly TimeSpan WatchedPoll = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    private string Folder => Path.GetDirectoryName(directory.Root)!;

    /// <summary>Waits until a place was taken.</summary>
    /// <param name="claim">Takes one, if there is one.</param>
    /// <param name="check">Throws where nothing is to be waited for any more.</param>
    /// <param name="cancel">Ends the waiting.</param>
    public async Task WaitAsync(Func<bool> claim, Action check, CancellationToken cancel)
    {
        using var watch = FolderWatch.Open(Folder, Name);
        while (true)
        {
            var change = watch?.Next;
            if (claim())
            {
                return;
            }

            check();
            await FolderWatch.WaitAsync(change, watch is null ? Poll : WatchedPoll, time, cancel);
        }
    }

    /// <summary>A place is free.</summary>
    public void Tell()
    {
        try
        {
            var file = Path.Combine(Folder, Name);
            using (Descriptor.OpenAppend(file))
            {
                File.SetLastWriteTimeUtc(file, time.GetUtcNow().UtcDateTime);
            }
        }
        catch (Exception full) when (full is IOException or UnauthorizedAccessException)
        {
            // Those that wait look by themselves.
        }
    }
}
