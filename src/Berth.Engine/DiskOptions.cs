using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>How much of the disk runs may use.</summary>
internal sealed record DiskOptions
{
    private const long Mebi = 1024 * 1024;
    private const long DefaultStop = 256 * Mebi;

    // On a small disk 256 MiB may be all there is.
    private const int ShareOfSmallDisk = 20;

    /// <summary>With less room on the disk of its directory a run is stopped, in bytes; 0 for never. Default 256 MiB,
    /// or a twentieth of a small disk. <c>BERTH_DISK_STOP</c>.</summary>
    public long? Stop { get; init; }

    /// <summary>How much workspace, HOME and artefacts folder of a run may hold together, in bytes. Default no limit.
    /// <c>BERTH_DISK</c>.</summary>
    public long? Most { get; init; }

    /// <summary>The mark of a folder's disk, or null where runs go on until it is full.</summary>
    public long? StopOf(string folder) => Stop switch
    {
        0 => null,
        { } chosen => chosen,
        null => DiskSpace.Of(folder) is { } disk ? Math.Min(DefaultStop, disk.Total / ShareOfSmallDisk) : null,
    };

    /// <summary>Refuses to prepare a run that would be stopped at once.</summary>
    /// <exception cref="FailureException"><c>disk_low</c>.</exception>
    public void Check(string folder)
    {
        if (StopOf(folder) is { } mark && DiskSpace.Of(folder) is { } disk && disk.Free < mark)
        {
            throw new FailureException(
                "disk_low",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{disk.Free / Mebi} MiB are free on the disk of {folder}, and runs are stopped below "
                    + $"{Math.Max(mark / Mebi, 1)} (BERTH_DISK_STOP); nothing was started."),
                "Free some space; berth cleanup --all removes what ended runs have left.",
                Fault.Operator);
        }
    }
}
