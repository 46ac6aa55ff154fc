using Berth.Protocol.Posix;

namespace Berth.Engine.Processes;

/// <summary>
/// A lock file: held by at most one process, or shared by many, and free again the moment its holders are gone, however
/// they went.
/// </summary>
/// <remarks>
/// .NET takes an exclusive <c>flock</c> for <see cref="FileShare.None"/> and a shared one for everything else; the
/// kernel drops it with the last descriptor.
/// </remarks>
internal sealed class LockFile : IDisposable
{
    private const int WouldBlock = 11;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private LockFile(FileStream file) => Content = file;

    /// <summary>The file itself, for what its holder notes in it.</summary>
    public FileStream Content { get; }

    /// <summary>Takes the lock, or returns null where somebody else has it.</summary>
    /// <param name="path">The file; made for this user only where it is missing.</param>
    /// <param name="shared">Whether others may have it too who ask for it shared.</param>
    /// <exception cref="IOException">The folder is gone or the disk is full.</exception>
    public static LockFile? TryTake(string path, bool shared = false)
    {
        try
        {
            return new LockFile(new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = shared ? FileShare.ReadWrite : FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            }));
        }
        catch (IOException taken) when (taken.HResult == WouldBlock)
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
        using var file = Descriptor.TryOpen(path);
        return file is not null && !Descriptor.TryLock(file);
    }

    public void Dispose() => Content.Dispose();
}
