using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Supervisor;

/// <summary>Looks whether the run's disk still has room, and whether the run directory is still there.</summary>
/// <remarks>
/// A look is one statvfs. Near the mark they come faster, for a disk takes a gigabyte in a second. A run that holds
/// little is not the one that fills the disk, and goes on until half of the mark. Main thread only.
/// </remarks>
internal sealed class DiskWatch(RunDirectory directory, ExecutionLimits limits, FolderUse use, Action<string> say)
{
    private const long Mebi = 1024 * 1024;

    // So many times the mark it may be reached before the next ordinary look.
    private const int Near = 16;
    private const int VeryNear = 2;
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan VerySoon = TimeSpan.FromMilliseconds(50);

    private bool wasMissing;
    private bool isSaid;

    /// <summary>Whether somebody has removed the run directory, so that nobody will ever ask for this run.</summary>
    internal bool IsGone { get; private set; }

    /// <summary>How long to wait until the next look.</summary>
    internal TimeSpan Pause { get; private set; } = Usual;

    /// <summary>Looks.</summary>
    /// <returns>Why the run is to end at once, with what people should know; or null.</returns>
    internal (ExitCause Cause, string Message)? Look()
    {
        if (LookForFolder())
        {
            return (ExitCause.SupervisorStopped, "The run directory is gone.");
        }

        if (limits.DiskBytes is { } most && use.Bytes > most)
        {
            var message = string.Create(
                CultureInfo.InvariantCulture,
                $"The run's files hold {use.Bytes / Mebi} MiB, and it may have {most / Mebi} (BERTH_DISK): "
                + $"it is stopped.");
            return (ExitCause.DiskLimit, message);
        }

        return DiskSpace.Of(directory.Root) is not { } disk ? null
            : limits.DiskMin is { } mark ? Judge(disk, mark) : Tell(disk);
    }

    // A run without a mark goes on, and whoever looks on should know why nothing works.
    private (ExitCause Cause, string Message)? Tell(DiskSpace disk)
    {
        if (disk.Free < DiskSpace.NearlyNothing && !isSaid)
        {
            say("The disk of the run is full, and the run goes on (BERTH_DISK_STOP). Free some space.");
        }

        isSaid = disk.Free < DiskSpace.NearlyNothing;
        return null;
    }

    private (ExitCause Cause, string Message)? Judge(DiskSpace disk, long mark)
    {
        Pause = disk.Free < mark * VeryNear ? VerySoon : disk.Free < mark * Near ? Soon : Usual;
        if (disk.Free >= mark || (disk.Free >= mark / 2 && use.Measure(enough: mark) < mark))
        {
            return null;
        }

        var message = string.Create(
            CultureInfo.InvariantCulture,
            $"The disk of the run has {disk.Free / Mebi} MiB left, less than {Math.Max(mark / Mebi, 1)} "
            + $"(BERTH_DISK_STOP): the run is stopped, and what it has done is kept.");
        return (ExitCause.DiskFull, message);
    }

    // Twice, and by two files: a hand may take away one.
    private bool LookForFolder()
    {
        var isMissing = Descriptor.IsMissing(directory.JournalFile) && Descriptor.IsMissing(directory.SpecFile);
        IsGone |= isMissing && wasMissing;
        wasMissing = isMissing;
        return IsGone;
    }
}
