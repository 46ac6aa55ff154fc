using System.Text;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>Says how many bytes are gone when entries of a folder are removed, to the byte.</summary>
/// <remarks>
/// What counts is the length of plain files, of sparse ones too. A file with several names counts once, and only when
/// all its names have been seen: while it has another one it stays. Links, folders, pipes and what is behind a mount
/// count nothing. The trees are an agent's: nothing is followed, one folder is open at a time however deep they are,
/// and one that its owner may not read is read all the same and left as it was.
/// </remarks>
internal sealed class DiskUse
{
    private readonly Dictionary<(ulong Device, ulong Inode), uint> named = [];

    /// <summary>The bytes of some entries. What was asked before counts as removed too.</summary>
    /// <param name="folder">The folder that holds them. Links in this path are followed: it is not the agent's.</param>
    /// <param name="names">The entries; one that is not there has none.</param>
    public long Of(string folder, IEnumerable<string> names)
    {
        using var opened = OpenFolder.Open(folder);
        var bytes = 0L;
        foreach (var name in names.Select(name => Encoding.UTF8.GetBytes(name)))
        {
            bytes += opened?.Look(name) switch
            {
                null => 0,
                { Kind: FileKind.Folder } found => OfTree(opened, name, found),
                var found => OfFile(found),
            };
        }

        return bytes;
    }

    private long OfFile(FileStatus file)
    {
        if (file.Kind != FileKind.Plain || file.Links <= 1)
        {
            return file.Kind == FileKind.Plain ? file.Length : 0;
        }

        var key = (file.Device, file.Inode);
        return (named[key] = named.GetValueOrDefault(key) + 1) == file.Links ? file.Length : 0;
    }

    private long OfTree(OpenFolder parent, byte[] name, FileStatus found)
    {
        if (parent.Enter(name, out var current) != 0)
        {
            return 0;
        }

        var levels = new Stack<Level>();
        var bytes = Read(current!, found, levels);
        while (levels.TryPeek(out var level))
        {
            if (level.Folders.TryPop(out var next))
            {
                if (current!.Enter(next.Name, out var inner) == 0)
                {
                    current.Dispose();
                    current = inner;
                    bytes += Read(current!, next.Status, levels);
                }

                continue;
            }

            levels.Pop();
            current = Leave(current!, level.Status, levels.TryPeek(out var above) ? above.Status : null);
            if (current is null)
            {
                break;
            }
        }

        current?.Dispose();
        return bytes;
    }

    private long Read(OpenFolder folder, FileStatus itself, Stack<Level> levels)
    {
        var bytes = 0L;
        var folders = new Stack<(byte[] Name, FileStatus Status)>();
        while (folder.ReadSome() is { Count: > 0 } entries)
        {
            foreach (var entry in entries)
            {
                if (folder.Look(entry.Name.Span) is not { } found)
                {
                    continue;
                }

                if (found.Kind == FileKind.Folder)
                {
                    folders.Push((entry.Name.ToArray(), found));
                }
                else
                {
                    bytes += OfFile(found);
                }
            }
        }

        levels.Push(new Level(itself, folders));
        return bytes;
    }

    // Somebody may move folders meanwhile; then what is above is not what it was, and this is given up.
    private static OpenFolder? Leave(OpenFolder folder, FileStatus itself, FileStatus? above)
    {
        OpenFolder? parent = null;
        if (above is not null && folder.Enter(".."u8, out parent) == 0
            && parent!.Look([]) is var there && (there?.Device, there?.Inode) != (above.Device, above.Inode))
        {
            parent.Dispose();
            parent = null;
        }

        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        if ((itself.Permissions & Owner) != Owner)
        {
            folder.SetPermissions(itself.Permissions);
        }

        folder.Dispose();
        return parent;
    }

    private sealed record Level(FileStatus Status, Stack<(byte[] Name, FileStatus Status)> Folders);
}
