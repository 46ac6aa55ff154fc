using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>How much room the disk of a folder has.</summary>
/// <param name="Free">Bytes that an ordinary user may still write.</param>
/// <param name="Total">Its size in bytes.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct DiskSpace(long Free, long Total)
{
    /// <summary>With less than this, small records are not certain to find room.</summary>
    public const long NearlyNothing = 256 * 1024;

    /// <summary>Asks; null where the folder is gone or cannot be asked about.</summary>
    public static DiskSpace? Of(string folder)
    {
        try
        {
            var disk = new DriveInfo(folder);
            return new DiskSpace(disk.AvailableFreeSpace, disk.TotalSize);
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether an error says that a disk or a quota is exhausted.</summary>
    public static bool IsFull(IOException error)
    {
        ArgumentNullException.ThrowIfNull(error);
        return error.HResult is Descriptor.NoSpace or Descriptor.QuotaExceeded;
    }
}
