using Berth.Protocol.Posix;
using Microsoft.Data.Sqlite;

namespace Berth.Engine.Storage;

/// <summary>Room on the disk that is the database's before it is needed, so that runs can be stopped, ended and cleaned
/// up while an agent has filled it.</summary>
/// <remarks>
/// While a program has the database open, its log (<c>-wal</c>) holds room for some hundred changes. The first one to
/// open it needs a new log and an index of it; for these a file beside it holds room, which is given back where opening
/// fails for want of it.
/// </remarks>
internal sealed class DatabaseRoom(string path)
{
    private const long LogBytes = 4L * 1024 * 1024;
    private const long ReserveBytes = 1024 * 1024;

    // On a disk with less than that the room is better left to whoever needs it first.
    private const long LeastFree = 16 * ReserveBytes;

    // SQLite's result codes: https://www.sqlite.org/rescode.html
    private const int InputOutput = 10;
    private const int Full = 13;
    private const int CannotOpen = 14;

    private string Reserve => path + "-reserve";

    /// <summary>Whether it is a full disk that keeps the database from being opened.</summary>
    public bool IsLacking(SqliteException error) => error.SqliteErrorCode == Full
        || (error.SqliteErrorCode is InputOutput or CannotOpen
            && DiskSpace.Of(Path.GetDirectoryName(path)!) is { Free: < DiskSpace.NearlyNothing });

    /// <summary>Gives back what the file beside it holds.</summary>
    /// <returns>Whether there was anything.</returns>
    public bool GiveBack()
    {
        var isThere = File.Exists(Reserve);
        File.Delete(Reserve);
        return isThere;
    }

    /// <summary>Takes the room, as far as there is any; the database is open. Done again it costs nothing.</summary>
    public void Take()
    {
        // SQLite's own locks are on the other two files, so closing this one releases none of them.
        Hold(path + "-wal", LogBytes);
        if (!File.Exists(Reserve) && DiskSpace.Of(Path.GetDirectoryName(path)!) is { Free: > LeastFree })
        {
            Hold(Reserve, ReserveBytes);
        }
    }

    private static void Hold(string file, long bytes)
    {
        try
        {
            using var opened = Descriptor.OpenAppend(file);
            _ = Descriptor.Allocate(opened, 0, bytes);
        }
        catch (IOException)
        {
            // Another user's, perhaps. Then there is no room held, as on a file system that cannot.
        }
    }
}
