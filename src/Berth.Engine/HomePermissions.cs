using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Keeps a home to its user: what is in it decides what runs may do.</summary>
/// <remarks>
/// A workflow of the home can ask for a run without a sandbox, and <c>berth.db</c> holds what runs said. So a home that
/// others may write is refused, and what an earlier Berth made readable to others, under a wide umask, is closed.
/// </remarks>
internal static class HomePermissions
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private static readonly string[] Files = ["berth.db", "berth.db-wal", "berth.db-shm", "server.lock"];
    private static readonly string[] Folders = ["runs", "mirrors", "git"];

    /// <summary>Makes the home where there is none, and refuses one that others may write.</summary>
    /// <exception cref="Protocol.FailureException"><c>files_exposed</c>.</exception>
    public static void Enter(string home)
    {
        Directory.CreateDirectory(home, Private);
        FileMask.RefuseWritableByOthers(home, "Berth's home");
        FileMask.RefuseWritableByOthers(Path.Combine(home, "workflows"), "the folder of workflows");
        foreach (var name in (string[])[.. Files, .. Folders])
        {
            Close(Path.Combine(home, name));
        }
    }

    private static void Close(string path)
    {
        try
        {
            var mode = File.GetUnixFileMode(path);
            if ((mode & FileMask.Private) != UnixFileMode.None)
            {
                File.SetUnixFileMode(path, mode & ~FileMask.Private);
            }
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            // SQLite removes its companions when the last process closes the database.
        }
    }
}
