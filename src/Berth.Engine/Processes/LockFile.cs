namespace Berth.Engine.Processes;

/// <summary>
/// A lock file: held by at most one process, and free again the moment that process is gone, however it went.
/// </summary>
/// <remarks>
/// .NET takes <c>flock</c> for <see cref="FileShare.None"/>; the kernel drops it with the last descriptor.
/// </remarks>
internal sealed class LockFile : IDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private readonly FileStream file;

    private LockFile(FileStream file) => this.file = file;

    /// <summary>Takes the lock, or returns null where somebody else has it.</summary>
    /// <exception cref="IOException">The folder is gone or the disk is full.</exception>
    public static LockFile? TryTake(string path)
    {
        try
        {
            return new LockFile(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException taken) when (taken is not (DirectoryNotFoundException or FileNotFoundException)
            && File.Exists(path))
        {
            return null;
        }
    }

    /// <summary>
    /// Takes the lock, and tries for a moment: somebody who only asks <see cref="IsHeld"/> has it for that moment.
    /// </summary>
    public static async Task<LockFile?> TakeAsync(
        string path,
        TimeSpan patience,
        TimeProvider time,
        CancellationToken cancel)
    {
        var started = time.GetTimestamp();
        using var poll = new PeriodicTimer(Poll, time);
        LockFile? taken;
        while ((taken = TryTake(path)) is null && time.GetElapsedTime(started) < patience)
        {
            await poll.WaitForNextTickAsync(cancel);
        }

        return taken;
    }

    /// <summary>Whether somebody has the lock now.</summary>
    public static bool IsHeld(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        using var taken = TryTake(path);
        return taken is null;
    }

    public void Dispose() => file.Dispose();
}
