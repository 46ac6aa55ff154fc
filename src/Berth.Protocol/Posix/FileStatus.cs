using System.Buffers.Binary;

namespace Berth.Protocol.Posix;

/// <summary>What the kernel says of one entry of a folder, links not followed.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Permissions">Its permission bits.</param>
/// <param name="Length">Its length in bytes; of a sparse file more than it takes on the disk.</param>
/// <param name="Links">How many names it has.</param>
/// <param name="Device">With <paramref name="Inode"/>: which file it is, by whatever name.</param>
/// <param name="Inode">See <paramref name="Device"/>.</param>
public sealed record FileStatus(
    FileKind Kind, UnixFileMode Permissions, long Length, uint Links, ulong Device, ulong Inode)
{
    // struct statx is the same on every processor.
    private const int Bytes = 256;
    private const int LinksAt = 16;
    private const int ModeAt = 28;
    private const int InodeAt = 32;
    private const int LengthAt = 40;
    private const int BlocksAt = 48;
    private const int BlockBytes = 512;
    private const int MajorAt = 136;
    private const int MinorAt = 140;
    private const uint WantBasic = 0x7ff;
    private const int KindBits = 0xF000;
    private const int PermissionBits = 0xFFF;

    /// <summary>How many bytes it takes on the disk.</summary>
    public long Taken { get; private init; }

    /// <summary>Asks for an entry by its name in a folder, or for what is open itself where the name is
    /// empty.</summary>
    internal static unsafe FileStatus? Of(int descriptor, byte[] terminatedName)
    {
        const int NoFollow = 0x100;
        const int EmptyPath = 0x1000;
        Span<byte> status = stackalloc byte[Bytes];
        fixed (byte* first = status)
        {
            if (Libc.Status(descriptor, terminatedName, NoFollow | EmptyPath, WantBasic, first) != 0)
            {
                return null;
            }
        }

        var mode = BinaryPrimitives.ReadUInt16LittleEndian(status[ModeAt..]);
        var kind = (mode & KindBits) switch
        {
            0x8000 => FileKind.Plain,
            0x4000 => FileKind.Folder,
            0xA000 => FileKind.Link,
            _ => FileKind.Other,
        };
        var major = BinaryPrimitives.ReadUInt32LittleEndian(status[MajorAt..]);
        var minor = BinaryPrimitives.ReadUInt32LittleEndian(status[MinorAt..]);
        return new FileStatus(
            kind,
            (UnixFileMode)(mode & PermissionBits),
            BinaryPrimitives.ReadInt64LittleEndian(status[LengthAt..]),
            BinaryPrimitives.ReadUInt32LittleEndian(status[LinksAt..]),
            ((ulong)major << 32) | minor,
            BinaryPrimitives.ReadUInt64LittleEndian(status[InodeAt..]))
        {
            Taken = BinaryPrimitives.ReadInt64LittleEndian(status[BlocksAt..]) * BlockBytes,
        };
    }
}

/// <summary>What an entry of a folder is.</summary>
public enum FileKind
{
    /// <summary>A file with content.</summary>
    Plain,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A symbolic link.</summary>
    Link,

    /// <summary>A pipe, a socket or a device.</summary>
    Other,
}
