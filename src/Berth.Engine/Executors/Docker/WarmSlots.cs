using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>The slots of a home: directories that wait, each with a warm container, to become a run's.</summary>
/// <remarks>
/// They are in a folder beside the runs, so that a rename makes one a run's directory, which only one run can do. A
/// slot can be taken while its name has no dot in front; one that is being made, or removed, has.
/// </remarks>
/// <param name="runsFolder">The folder in which run directories really are.</param>
internal sealed class WarmSlots(string runsFolder)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string FolderName = ".warm";
    private const string LockName = ".lock";
    private const char Closed = '.';

    /// <summary>The folder of the slots.</summary>
    internal string Folder => Path.Combine(runsFolder, FolderName);

    /// <summary>Held by who makes or removes slots.</summary>
    internal string Lock => Path.Combine(Folder, LockName);

    /// <summary>Those that can be taken, the oldest first.</summary>
    internal IReadOnlyList<WaitingSlot> Waiting() =>
    [
        .. from name in Names()
           where name[0] != Closed
           let directory = DirectoryOf(name)
           let record = Read(directory)
           where record is not null
           orderby record.MadeAt
           select new WaitingSlot(name, directory, record),
    ];

    /// <summary>Those that nobody can take: half made, half removed, or without a record that can be read.</summary>
    internal IReadOnlyList<string> Unusable() =>
    [
        .. from name in Names()
           where name[0] == Closed || Read(DirectoryOf(name)) is null
           select name.TrimStart(Closed),
    ];

    /// <summary>Makes a directory that nobody can take yet.</summary>
    internal RunDirectory Make(string slot)
    {
        var directory = DirectoryOf(Closed + slot);
        Directory.CreateDirectory(directory.Root, Private);
        Directory.CreateDirectory(directory.Workspace);
        return directory;
    }

    /// <summary>From here on it can be taken.</summary>
    internal void Open(string slot) => Directory.Move(DirectoryOf(Closed + slot).Root, DirectoryOf(slot).Root);

    /// <summary>From here on it cannot.</summary>
    /// <returns>False where a run was faster.</returns>
    internal bool Close(string slot)
    {
        var open = DirectoryOf(slot).Root;
        return !Directory.Exists(open) || TryMove(open, ClosedOf(slot).Root);
    }

    /// <summary>The directory of one that cannot be taken.</summary>
    internal RunDirectory ClosedOf(string slot) => DirectoryOf(Closed + slot);

    /// <summary>Makes the oldest slot with a key the directory of a run.</summary>
    /// <returns>Whether there was one.</returns>
    internal bool TryTake(string key, string runRoot) => Waiting()
        .Where(slot => string.Equals(slot.Record.Key, key, StringComparison.Ordinal))
        .Any(slot => TryTouch(slot.Directory) && TryMove(slot.Directory.Root, runRoot));

    // An old directory without a run is an orphan to the clean-up, and this one has no run for a moment: a new file in
    // it makes it a young one.
    private static bool TryTouch(RunDirectory directory)
    {
        try
        {
            File.WriteAllBytes(Path.Combine(directory.Root, RunDirectory.HostLockName), []);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return false;
        }
    }

    private static bool TryMove(string from, string to)
    {
        try
        {
            Directory.Move(from, to);
            return true;
        }
        catch (IOException) when (!Directory.Exists(from))
        {
            // Somebody else was faster.
            return false;
        }
    }

    private static WarmSlot? Read(RunDirectory directory)
    {
        try
        {
            return WarmSlot.Of(directory);
        }
        catch (FailureException)
        {
            // Damaged: no run has it, and the next one to tidy up removes it.
            return null;
        }
    }

    private RunDirectory DirectoryOf(string name) => new(Path.Combine(Folder, name));

    private IEnumerable<string> Names() => Directory.Exists(Folder)
        ? Directory.EnumerateDirectories(Folder).Select(path => Path.GetFileName(path))
        : [];
}

/// <summary>A slot that can be taken.</summary>
/// <param name="Name">Its name, which its container has too.</param>
/// <param name="Directory">Its directory.</param>
/// <param name="Record">What it is.</param>
internal sealed record WaitingSlot(string Name, RunDirectory Directory, WarmSlot Record);
