using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>A folder held open, whose entries are reached by name and never through a symbolic link or a
/// mount.</summary>
/// <remarks>
/// Paths do not do for trees that an agent has written: between a check and a deletion a folder can become a link, a
/// tree can be deeper than a path may be long, and a name need not be UTF-8. So names are bytes, and every step
/// starts at a descriptor. The calls answer with an error number, 0 for success, because most of them are expected.
/// </remarks>
public sealed class OpenFolder : IDisposable
{
    // A long folder is read in bites of this size.
    private const int BiteBytes = 32 * 1024;

    private readonly SafeFileHandle handle;

    private OpenFolder(int descriptor) => handle = new SafeFileHandle(descriptor, ownsHandle: true);

    private int Descriptor => (int)handle.DangerousGetHandle();

    /// <summary>Opens a folder by its path. Links on the way are followed: the path is the caller's own.</summary>
    /// <returns>The folder, or null where there is none that can be opened.</returns>
    public static OpenFolder? Open(string path)
    {
        var descriptor = Libc.Open(path, Libc.ReadOnly | FolderCalls.Folder | Libc.CloseOnExec, 0);
        return descriptor >= 0 ? new OpenFolder(descriptor) : null;
    }

    /// <summary>Opens a folder in this one; makes it accessible to its owner first, where it is not.</summary>
    public int Enter(ReadOnlySpan<byte> name, out OpenFolder? folder)
    {
        // Opening the mere place needs no permission on the folder, so its mode can be mended through the descriptor.
        folder = null;
        var place = OpenPlace(name);
        if (place < 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        using var held = new SafeFileHandle(place, ownsHandle: true);
        var opened = OpenItself(place);
        if (opened < 0 && MendMode(place))
        {
            opened = OpenItself(place);
        }

        if (opened < 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        folder = new OpenFolder(opened);
        return 0;
    }

    /// <summary>Opens a folder in this one, with its permissions as they are.</summary>
    /// <returns>The folder, or null where it cannot be opened.</returns>
    public OpenFolder? EnterAsItIs(ReadOnlySpan<byte> name)
    {
        var descriptor = FolderCalls.OpenAt(
            Descriptor,
            Terminated(name),
            Libc.ReadOnly | FolderCalls.Folder | FolderCalls.NoFollow | Libc.CloseOnExec,
            0);
        return descriptor >= 0 ? new OpenFolder(descriptor) : null;
    }

    /// <summary>Opens a plain file of this folder for reading; nothing else, whatever the name leads to.</summary>
    /// <returns>The file, or null where there is none that can be opened.</returns>
    public SafeFileHandle? OpenFile(ReadOnlySpan<byte> name)
    {
        // A pipe without a writer must not hold the opener.
        var descriptor = FolderCalls.OpenAt(
            Descriptor,
            Terminated(name),
            Libc.ReadOnly | FolderCalls.NoFollow | FolderCalls.NonBlocking | Libc.CloseOnExec,
            0);
        if (descriptor < 0)
        {
            return null;
        }

        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (FileStatus.Of(descriptor, Terminated([])) is { Kind: FileKind.Plain })
        {
            return file;
        }

        file.Dispose();
        return null;
    }

    /// <summary>What an entry is; of a link, the link. Null where there is none of that name.</summary>
    public FileStatus? Look(ReadOnlySpan<byte> name) => FileStatus.Of(Descriptor, Terminated(name));

    /// <summary>Sets the folder's own permissions, where that is permitted.</summary>
    public void SetPermissions(UnixFileMode permissions)
    {
        try
        {
            File.SetUnixFileMode(handle, permissions);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // It is somebody else's, and then nobody has mended it either.
        }
    }

    /// <summary>Reads some of the entries that were not read yet, without the two dots; none at the end.</summary>
    public IReadOnlyList<FolderEntry> ReadSome()
    {
        var entries = new List<FolderEntry>();
        var bite = new byte[BiteBytes];
        var size = FolderCalls.GetEntries(Descriptor, bite, BiteBytes);
        for (var at = 0; at < size;)
        {
            // struct linux_dirent64: inode (8 bytes), offset (8), record length (2), type (1), name with a NUL at its
            // end.
            const int HeaderBytes = 19;
            var length = BinaryPrimitives.ReadUInt16LittleEndian(bite.AsSpan(at + 16));
            var name = bite.AsSpan(at + HeaderBytes, length - HeaderBytes);
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
            {
                entries.Add(new FolderEntry(name.ToArray(), IsFolder: bite[at + 18] == FolderCalls.TypeFolder));
            }

            at += length;
        }

        // A bite of nothing but dots is not the end.
        return entries.Count == 0 && size > 0 ? ReadSome() : entries;
    }

    /// <summary>Begins to read from the first entry again.</summary>
    public void Rewind() => _ = FolderCalls.Seek(Descriptor, 0, 0);

    /// <summary>Removes an entry that is no folder; of a link, the link.</summary>
    public int Unlink(ReadOnlySpan<byte> name) => Remove(name, 0);

    /// <summary>Removes an empty folder.</summary>
    public int RemoveFolder(ReadOnlySpan<byte> name) => Remove(name, FolderCalls.RemoveFolder);

    /// <summary>Moves an entry of this folder into another one.</summary>
    public int Move(ReadOnlySpan<byte> name, OpenFolder target, ReadOnlySpan<byte> newName)
    {
        ArgumentNullException.ThrowIfNull(target);
        var from = Terminated(name);
        var to = Terminated(newName);
        return Tried(() => FolderCalls.RenameAt(Descriptor, from, target.Descriptor, to));
    }

    /// <summary>Closes the folder.</summary>
    public void Dispose() => handle.Dispose();

    private static byte[] Terminated(ReadOnlySpan<byte> name) => [.. name, 0];

    private static string PathOf(int descriptor) =>
        string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}");

    private static int OpenItself(int place) =>
        FolderCalls.OpenAt(place, Terminated("."u8), Libc.ReadOnly | FolderCalls.Folder | Libc.CloseOnExec, 0);

    private static bool MendMode(int descriptor)
    {
        try
        {
            const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            File.SetUnixFileMode(PathOf(descriptor), Owner);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private int OpenPlace(ReadOnlySpan<byte> name)
    {
        var text = Terminated(name);
        var flags = Libc.PathOnly | FolderCalls.Folder | FolderCalls.NoFollow | Libc.CloseOnExec;
        var how = new FolderCalls.OpenHow((ulong)flags, 0, FolderCalls.NoMounts | FolderCalls.NoMagicLinks);
        var place =
            (int)FolderCalls.OpenAt2(FolderCalls.OpenAt2Number, Descriptor, text, how, (nuint)Marshal.SizeOf(how));

        // Kernels before 5.6 lack the call; there the removal of a mount point still fails as busy.
        return place < 0 && Marshal.GetLastPInvokeError() == FolderCalls.NotImplemented
            ? FolderCalls.OpenAt(Descriptor, text, flags, 0)
            : place;
    }

    private int Remove(ReadOnlySpan<byte> name, int flags)
    {
        var text = Terminated(name);
        return Tried(() => FolderCalls.UnlinkAt(Descriptor, text, flags));
    }

    private int Tried(Func<int> call)
    {
        if (call() == 0)
        {
            return 0;
        }

        var error = Marshal.GetLastPInvokeError();
        if (error == FolderCalls.AccessDenied && MendMode(Descriptor))
        {
            return call() == 0 ? 0 : Marshal.GetLastPInvokeError();
        }

        return error;
    }
}

/// <summary>An entry of a folder.</summary>
/// <param name="Name">Its name's bytes, without a NUL at the end.</param>
/// <param name="IsFolder">Whether it is one; some file systems do not say, then false.</param>
public sealed record FolderEntry(ReadOnlyMemory<byte> Name, bool IsFolder)
{
    /// <summary>The name for people: invalid UTF-8 has become U+FFFD.</summary>
    public string Text => Encoding.UTF8.GetString(Name.Span);
}

/// <summary>The calls on folder descriptors.</summary>
internal static partial class FolderCalls
{
    internal const byte TypeFolder = 4;
    internal const int RemoveFolder = 0x200;
    internal const ulong NoMounts = 1;
    internal const ulong NoMagicLinks = 2;
    internal const long OpenAt2Number = 437;
    internal const int NonBlocking = 0x800;
    internal const int AccessDenied = 13;
    internal const int NotImplemented = 38;

    // These two are among the few flags that differ between the architectures.
    internal static readonly int Folder =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;
    internal static readonly int NoFollow =
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    internal static partial int OpenAt(int folder, byte[] name, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint OpenAt2(long number, nint folder, byte[] name, in OpenHow how, nuint size);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    internal static partial nint GetEntries(int folder, [Out] byte[] bite, nuint size);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Seek(int folder, long offset, int origin);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    internal static partial int UnlinkAt(int folder, byte[] name, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    internal static partial int RenameAt(int folder, byte[] name, int targetFolder, byte[] newName);

    /// <summary>The kernel's <c>struct open_how</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal readonly record struct OpenHow(ulong Flags, ulong Mode, ulong Resolve);
}
