using System.Buffers.Binary;
using System.Text;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Supervisor;

/// <summary>A linked worktree of the workspace's repository.</summary>
/// <param name="Id">The name of its folder in <c>.git/worktrees</c>.</param>
/// <param name="Path">Where its files are, as the agent saw it; null where that cannot be read.</param>
internal sealed record LinkedWorktree(string Id, string? Path);

/// <summary>A file in <c>.git</c> that is none of git's own.</summary>
/// <param name="Path">Its path in <c>.git</c>, as <see cref="RawPath"/> text.</param>
/// <param name="Bytes">Its length.</param>
internal sealed record OddFile(string Path, long Bytes);

/// <summary>Looks at what the agent left in the workspace's <c>.git</c>, without git and without following a
/// link.</summary>
internal sealed class GitFolderLook(string workspace, CaptureFindings findings)
{
    private const int MaxObjects = 500_000;
    private const int MaxPacks = 1_000;
    private const int MaxPackIndexBytes = 64 * 1024 * 1024;
    private const int MaxWorktrees = 50;
    private const int MaxOddFiles = 500;
    private const int MaxSmallFile = 8 * 1024;
    private const string LockSuffix = ".lock";

    // Folders whose content is looked at by other means, and files that git itself keeps and makes anew.
    private static readonly HashSet<string> GitFolders = new(StringComparer.Ordinal)
    {
        "objects", "refs", "logs", "worktrees", "modules", "branches",
    };

    private static readonly HashSet<string> GitFiles = new(StringComparer.Ordinal)
    {
        "HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "MERGE_RR", "AUTO_MERGE",
        "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "SQUASH_MSG", "COMMIT_EDITMSG", "TAG_EDITMSG", "index",
        "packed-refs", "config", "description", "shallow", "gc.log", "info/refs", "info/sparse-checkout",
        "info/commit-graph", "config.worktree", "sharedindex",
    };

    private static readonly (string Name, string What)[] Operations =
    [
        ("MERGE_HEAD", "a merge"), ("rebase-merge", "a rebase"), ("rebase-apply", "a rebase or the taking of mails"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"), ("REVERT_HEAD", "a revert"), ("BISECT_LOG", "a bisection"),
    ];

    private readonly string git = Path.Combine(workspace, ".git");

    /// <summary>What git was in the middle of.</summary>
    internal IReadOnlyList<string> Unfinished()
    {
        using var folder = OpenFolder.Open(git);
        return folder is null ? []
            : [.. Operations.Where(one => folder.Look(RawPath.ToBytes(one.Name)) is not null).Select(one => one.What)];
    }

    /// <summary>Whether there are repositories of submodules.</summary>
    internal bool HasModules()
    {
        using var folder = OpenFolder.Open(git);
        using var modules = Enter(folder, "modules"u8);
        return EntriesOf(modules).Any();
    }

    /// <summary>Whether <c>.git/info</c> has a list that is the agent's own, and not the repository's.</summary>
    internal bool HasFile(ReadOnlySpan<byte> name)
    {
        using var folder = OpenFolder.Open(git);
        using var info = Enter(folder, "info"u8);
        return info?.Look(name) is not null && !IsComment(info, name);
    }

    /// <summary>The linked worktrees.</summary>
    internal IReadOnlyList<LinkedWorktree> Worktrees()
    {
        var found = new List<LinkedWorktree>();
        using var folder = OpenFolder.Open(git);
        using var all = Enter(folder, "worktrees"u8);
        foreach (var entry in EntriesOf(all))
        {
            if (found.Count == MaxWorktrees)
            {
                findings.Keep($"more than {MaxWorktrees} worktrees");
                break;
            }

            using var one = Enter(all, entry.Name.Span);
            if (one is null)
            {
                continue;
            }

            var text = ReadSmall(one, "gitdir"u8)?.TrimEnd('\n');
            var path = text?.EndsWith("/.git", StringComparison.Ordinal) == true ? text[..^"/.git".Length] : null;
            found.Add(new LinkedWorktree(RawPath.FromBytes(entry.Name.Span), path));
        }

        return found;
    }

    /// <summary>The ids of the objects that are in the workspace's own store, and not only in the mirror that it
    /// borrows from.</summary>
    internal HashSet<string> Objects()
    {
        var ids = new HashSet<string>(StringComparer.Ordinal);
        using var folder = OpenFolder.Open(git);
        using var objects = Enter(folder, "objects"u8);
        foreach (var entry in EntriesOf(objects))
        {
            if (entry.Name.Length == 2 && IsHex(entry.Name.Span))
            {
                using var loose = Enter(objects, entry.Name.Span);
                var begin = RawPath.FromBytes(entry.Name.Span);
                ids.UnionWith(
                    from file in EntriesOf(loose)
                    where file.Name.Length is 38 or 62 && IsHex(file.Name.Span)
                    select begin + RawPath.FromBytes(file.Name.Span));
            }

            if (ids.Count > MaxObjects)
            {
                break;
            }
        }

        using var packs = Enter(objects, "pack"u8);
        var indexes = EntriesOf(packs).Where(entry => entry.Name.Span.EndsWith(".idx"u8)).Take(MaxPacks + 1).ToList();
        foreach (var entry in indexes.Take(MaxPacks))
        {
            AddPack(packs!, entry.Name.Span, ids);
        }

        if (ids.Count > MaxObjects || indexes.Count > MaxPacks)
        {
            findings.Keep($"more than {MaxObjects} objects in .git, which were not looked through");
            return [];
        }

        return ids;
    }

    /// <summary>The files that the agent put into <c>.git</c>.</summary>
    internal IReadOnlyList<OddFile> OddFiles()
    {
        var odd = new List<OddFile>();
        using var folder = OpenFolder.Open(git);
        if (folder is not null)
        {
            Add(folder, string.Empty, odd);
        }

        return odd;
    }

    private void Add(OpenFolder folder, string path, List<OddFile> odd)
    {
        const int MaxDepth = 50;
        foreach (var entry in EntriesOf(folder))
        {
            var name = RawPath.FromBytes(entry.Name.Span);
            var whole = path.Length == 0 ? name : $"{path}/{name}";
            if (odd.Count == MaxOddFiles || IsGits(whole)
                || (whole is "info/exclude" && IsComment(folder, entry.Name.Span)))
            {
                continue;
            }

            var status = folder.Look(entry.Name.Span);
            if (status is { Kind: FileKind.Folder } && whole.Count(letter => letter == '/') < MaxDepth)
            {
                using var below = Enter(folder, entry.Name.Span);
                if (below is not null)
                {
                    Add(below, whole, odd);
                    continue;
                }
            }

            // Where git listens while it works there are sockets.
            if (status is { Kind: FileKind.Plain } && !status.Permissions.HasFlag(UnixFileMode.UserRead))
            {
                _ = folder.MakeReadable(entry.Name.Span);
            }

            if (status is { Kind: FileKind.Plain or FileKind.Folder })
            {
                odd.Add(new OddFile(whole, status.Kind == FileKind.Plain ? status.Length : long.MaxValue));
            }
        }

        if (odd.Count == MaxOddFiles)
        {
            findings.Keep($"more than {MaxOddFiles} files of the agent's in .git");
        }
    }

    private static bool IsGits(string path) => GitFolders.Contains(path) || GitFiles.Contains(path)
        || (path.EndsWith(LockSuffix, StringComparison.Ordinal) && GitFiles.Contains(path[..^LockSuffix.Length]))
        || path.StartsWith("sharedindex.", StringComparison.Ordinal)
        || path.StartsWith("BISECT_", StringComparison.Ordinal)
        || (path.StartsWith("hooks/", StringComparison.Ordinal) && path.EndsWith(".sample", StringComparison.Ordinal));

    // pack index, version 2: magic, version, 256 counts, then the ids in order.
    private static void AddPack(OpenFolder packs, ReadOnlySpan<byte> name, HashSet<string> ids)
    {
        const int Header = 8;
        const int Counts = 256 * 4;
        const int ShortId = 20;
        const int WideId = 32;
        using var file = packs.OpenFile(name);
        if (file is null || RandomAccess.GetLength(file) is not (> Header + Counts and <= MaxPackIndexBytes))
        {
            return;
        }

        var bytes = new byte[RandomAccess.GetLength(file)];
        if (RandomAccess.Read(file, bytes, 0) != bytes.Length || !bytes.AsSpan(0, 4).SequenceEqual(IndexMagic))
        {
            return;
        }

        var count = (long)BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(Header + Counts - 4));

        // Each object has its id, a checksum and an offset; at the end stand two hashes.
        var width = bytes.Length - Header - Counts >= (count * (WideId + 8)) + (2 * WideId) ? WideId : ShortId;
        for (long at = 0; at < count && Header + Counts + ((at + 1) * width) <= bytes.Length; at++)
        {
            if (ids.Count > MaxObjects)
            {
                return;
            }

            ids.Add(Convert.ToHexStringLower(bytes.AsSpan((int)(Header + Counts + (at * width)), width)));
        }
    }

    private static ReadOnlySpan<byte> IndexMagic => [0xff, (byte)'t', (byte)'O', (byte)'c'];

    private static OpenFolder? Enter(OpenFolder? folder, ReadOnlySpan<byte> name) =>
        folder?.Look(name) is { Kind: FileKind.Folder } && folder.Enter(name, out var inside) == 0 ? inside : null;

    private static IEnumerable<FolderEntry> EntriesOf(OpenFolder? folder)
    {
        if (folder is null)
        {
            yield break;
        }

        for (var some = folder.ReadSome(); some.Count > 0; some = folder.ReadSome())
        {
            foreach (var entry in some)
            {
                yield return entry;
            }
        }
    }

    private static string? ReadSmall(OpenFolder folder, ReadOnlySpan<byte> name)
    {
        using SafeFileHandle? file = folder.OpenFile(name);
        if (file is null)
        {
            return null;
        }

        var bytes = new byte[MaxSmallFile];
        var count = RandomAccess.Read(file, bytes, 0);
        return Encoding.Latin1.GetString(bytes, 0, count);
    }

    // As git's own template has it.
    private static bool IsComment(OpenFolder folder, ReadOnlySpan<byte> name) => ReadSmall(folder, name) is { } text
        && text.Length < MaxSmallFile && text.Split('\n').All(line => line.Length == 0 || line[0] == '#');

    private static bool IsHex(ReadOnlySpan<byte> text)
    {
        foreach (var letter in text)
        {
            if (!char.IsAsciiHexDigitLower((char)letter))
            {
                return false;
            }
        }

        return true;
    }
}
