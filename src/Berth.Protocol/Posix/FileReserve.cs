using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Room behind the end of an append-only file, taken before it is needed.</summary>
/// <remarks>
/// The blocks are the file's, though its length does not show them (fallocate with KEEP_SIZE), so what is urgent can
/// still be written when an agent has filled the disk. What is not urgent leaves half of the room alone. Where the
/// file system has no such call, nothing is reserved and nothing is refused. Not thread-safe.
/// </remarks>
/// <param name="file">The file.</param>
/// <param name="bytes">How much room.</param>
public sealed class FileReserve(SafeFileHandle file, long bytes)
{
    private long end;
    private bool isSupported = true;

    /// <summary>Whether so much more will find room.</summary>
    /// <param name="length">How long the file is.</param>
    /// <param name="count">How much more is to be written.</param>
    /// <param name="urgent">Whether all of the room may be used.</param>
    /// <returns>False where the disk is full and what is left of the room is for what is urgent.</returns>
    public bool Has(long length, long count, bool urgent)
    {
        var needed = length + count + (urgent ? 0 : bytes / 2);
        if (needed <= end || !isSupported)
        {
            return true;
        }

        // On a disk that is nearly full just what is needed may still be had.
        return Take(length, length + count + bytes) || Take(length, needed);
    }

    /// <summary>The file was cut to this length, and the room behind it is gone.</summary>
    public void Cut(long length) => end = Math.Min(end, length);

    private bool Take(long from, long to)
    {
        switch (Descriptor.Allocate(file, from, to - from))
        {
            case 0:
                end = to;
                return true;
            case Descriptor.NoSpace or Descriptor.QuotaExceeded:
                return false;
            default:
                isSupported = false;
                return true;
        }
    }
}
