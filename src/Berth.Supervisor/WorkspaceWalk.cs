using System.Globalization;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Looks at every entry of a work tree from outside: what git passes over in silence, or cannot
/// read.</summary>
/// <remarks>
/// No link is followed and no file is read; each entry costs one look. What only its mode hides from git is made
/// readable, and a file that was changed with its old date gets a new one, so that git reads it. All of it is bounded.
/// </remarks>
internal sealed class WorkspaceWalk(DateTimeOffset since, Func<bool> isOver)
{
    private const int MaxEntries = 2_000_000;
    private const int MaxDepth = 800;
    private const int MaxPathBytes = 4_000;
    private const int MaxNested = 500;
    private const UnixFileMode OwnerAll =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly List<string> nested = [];
    private readonly List<string> troubles = [];
    private readonly Dictionary<string, IgnoredFolder> ignored = new(StringComparer.Ordinal);
    private int entries;

    /// <summary>Folders below that have a <c>.git</c> of their own; they were not entered.</summary>
    internal IReadOnlyList<string> Nested => nested;

    /// <summary>What git cannot take, each as a part of a sentence.</summary>
    internal IReadOnlyList<string> Troubles => troubles;

    /// <summary>What is in each ignored path.</summary>
    internal IReadOnlyDictionary<string, IgnoredFolder> Ignored => ignored;

    /// <summary>Whether something was made visible to git that it would not have seen.</summary>
    internal bool HasMended { get; private set; }

    /// <summary>Whether any file gives attributes to others; without one git changes nothing of itself.</summary>
    internal bool HasAttributes { get; private set; }

    /// <summary>Looks through a folder.</summary>
    /// <param name="root">It; nothing above is looked at.</param>
    /// <param name="ignoredPaths">Paths in it that the repository ignores; what is in them is only counted.</param>
    internal void Look(string root, IEnumerable<string> ignoredPaths)
    {
        foreach (var path in ignoredPaths)
        {
            ignored[path.TrimEnd('/')] = new IgnoredFolder();
        }

        using var folder = OpenFolder.Open(root);
        if (folder is null)
        {
            troubles.Add("the folder itself cannot be read");
            return;
        }

        Look(folder, new Place(string.Empty, 0, null));
    }

    /// <summary>Whether there is anything in a folder of a work tree.</summary>
    internal static bool HasEntries(string root, string path)
    {
        var folder = OpenFolder.Open(root);
        try
        {
            foreach (var part in path.Split('/'))
            {
                if (folder?.Look(RawPath.ToBytes(part)) is not { Kind: FileKind.Folder })
                {
                    // No folder, and so nothing in it: git itself sees a file in the place of a submodule.
                    return false;
                }

                var above = folder;
                var error = above.Enter(RawPath.ToBytes(part), out folder);
                above.Dispose();
                if (error != 0)
                {
                    return true;
                }
            }

            return folder?.ReadSome().Count > 0;
        }
        finally
        {
            folder?.Dispose();
        }
    }

    private void Look(OpenFolder folder, Place place)
    {
        List<(byte[] Name, string Path)> below = [];
        for (var some = folder.ReadSome(); some.Count > 0; some = folder.ReadSome())
        {
            foreach (var entry in some)
            {
                if (++entries > MaxEntries || (entries % 1000 == 0 && isOver()))
                {
                    AddTrouble($"more than {entries - 1} files: the rest was not looked through");
                    return;
                }

                if (!entry.Name.Span.SequenceEqual(".git"u8) || place.Counted is not null)
                {
                    Look(folder, entry, place, below);
                }
                else if (place.Depth > 0 && IsRepository(folder, entry.Name.Span, place.Path))
                {
                    AddNested(place.Path);
                    return;
                }
            }
        }

        foreach (var (name, path) in below)
        {
            Enter(folder, name, place with
            {
                Path = path, Depth = place.Depth + 1,
                Counted = place.Counted ?? ignored.GetValueOrDefault(path),
            });
        }
    }

    private void Look(OpenFolder folder, FolderEntry entry, Place place, List<(byte[] Name, string Path)> below)
    {
        var name = RawPath.FromBytes(entry.Name.Span);
        var path = place.Path.Length == 0 ? name : $"{place.Path}/{name}";
        var counted = place.Counted ?? ignored.GetValueOrDefault(path);
        if (path.Length > MaxPathBytes)
        {
            Trouble(counted, path, "is a path too long for git");
            return;
        }

        if (folder.Look(entry.Name.Span) is not { } status)
        {
            Trouble(counted, path, "cannot be looked at");
            return;
        }

        switch (status.Kind)
        {
            case FileKind.Folder:
                below.Add((entry.Name.ToArray(), path));
                break;
            case FileKind.Other:
                Trouble(counted, path, "is a pipe, a socket or a device");
                break;
            case FileKind.Plain when counted is null:
                HasAttributes |= name is ".gitattributes";
                Mend(folder, entry, path, status);
                break;
            default:
                counted?.Add(status.Length);
                break;
        }
    }

    private void Mend(OpenFolder folder, FolderEntry entry, string path, FileStatus status)
    {
        HasMended |= !status.Permissions.HasFlag(UnixFileMode.UserRead)
            || (status.Changed >= since && status.Modified < since);
        if (!status.Permissions.HasFlag(UnixFileMode.UserRead) && !folder.MakeReadable(entry.Name.Span))
        {
            AddTrouble($"{RawPath.Show(path)} cannot be read");
        }

        // Its content may be another one although its date and its length are not, which is all that git looks at.
        if (status.Changed >= since && status.Modified < since && !folder.Touch(entry.Name.Span, status.Changed))
        {
            AddTrouble($"{RawPath.Show(path)} was changed and dated back");
        }
    }

    private void Enter(OpenFolder parent, byte[] name, Place place)
    {
        if (place.Depth > MaxDepth)
        {
            Trouble(place.Counted, place.Path, $"is nested deeper than {MaxDepth} folders");
            return;
        }

        var mode = parent.Look(name)?.Permissions ?? UnixFileMode.None;
        if (parent.Enter(name, out var folder) != 0)
        {
            Trouble(place.Counted, place.Path, "cannot be opened");
            return;
        }

        using (folder)
        {
            if ((mode & OwnerAll) != OwnerAll && place.Counted is null)
            {
                HasMended = true;
                folder!.SetPermissions(mode | OwnerAll);
                if (((parent.Look(name)?.Permissions ?? UnixFileMode.None) & OwnerAll) != OwnerAll)
                {
                    AddTrouble($"{RawPath.Show(place.Path)} is a folder that its owner may not read");
                }
            }

            Look(folder!, place);
        }
    }

    // Git takes nothing of this name, whether it is a repository or not.
    private bool IsRepository(OpenFolder folder, ReadOnlySpan<byte> name, string path)
    {
        if (folder.Look(name) is not { Kind: FileKind.Folder })
        {
            return true;
        }

        if (folder.Enter(name, out var inside) != 0)
        {
            return true;
        }

        using (inside)
        {
            if (inside!.Look("HEAD"u8) is not null)
            {
                return true;
            }

            if (inside.ReadSome().Count > 0)
            {
                AddTrouble($"{RawPath.Show(path)}/.git is no repository, and git takes nothing of that name");
            }
        }

        return false;
    }

    private void AddNested(string path)
    {
        if (nested.Count < MaxNested)
        {
            nested.Add(path);
        }
        else
        {
            AddTrouble($"there are more than {MaxNested.ToString(CultureInfo.InvariantCulture)} repositories inside");
        }
    }

    private void Trouble(IgnoredFolder? counted, string path, string what)
    {
        if (counted is null)
        {
            AddTrouble($"{RawPath.Show(path)} {what}");
        }
    }

    // As many as are ever said, and one more, so that it is said that there are more.
    private void AddTrouble(string what)
    {
        const int MaxTroubles = 100;
        if (troubles.Count < MaxTroubles)
        {
            troubles.Add(what);
        }
    }

    private sealed record Place(string Path, int Depth, IgnoredFolder? Counted);
}

/// <summary>What an ignored path holds.</summary>
internal sealed class IgnoredFolder
{
    internal long Files { get; private set; }

    internal long Bytes { get; private set; }

    internal void Add(long bytes)
    {
        Files++;
        Bytes += bytes;
    }
}
