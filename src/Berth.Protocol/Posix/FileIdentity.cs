using System.Buffers.Binary;
using System.Globalization;

namespace Berth.Protocol.Posix;

/// <summary>Tells one file or folder from another that has come to its path.</summary>
public static unsafe class FileIdentity
{
    // struct statx is the same on every processor: the inode, and the two halves of the device's number.
    private const int Bytes = 256;
    private const int Inode = 32;
    private const int DeviceMajor = 136;
    private const int DeviceMinor = 140;
    private const uint WantInode = 0x100;
    private const int CurrentFolder = -100;

    /// <summary>Device and inode of what a path leads to, or null where that cannot be said.</summary>
    public static string? Of(string path)
    {
        Span<byte> status = stackalloc byte[Bytes];
        fixed (byte* first = status)
        {
            if (Libc.Status(CurrentFolder, path, 0, WantInode, first) != 0)
            {
                return null;
            }
        }

        var major = BinaryPrimitives.ReadUInt32LittleEndian(status[DeviceMajor..]);
        var minor = BinaryPrimitives.ReadUInt32LittleEndian(status[DeviceMinor..]);
        var inode = BinaryPrimitives.ReadUInt64LittleEndian(status[Inode..]);
        return string.Create(CultureInfo.InvariantCulture, $"{major}:{minor}:{inode}");
    }
}
