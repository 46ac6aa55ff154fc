namespace Berth.Protocol.Posix;

/// <summary>The permissions that new files of this process are not given: its umask.</summary>
/// <remarks>
/// Berth's own files are for its user alone, whatever the shell says that started it. What people and agents get (files
/// of a workspace, a branch in their repository, a download) has the permissions that they would expect.
/// </remarks>
public static class FileMask
{
    /// <summary>Nothing for the group and for others.</summary>
    public const UnixFileMode Private = Write | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Readable by all, writable by the owner: what most systems use.</summary>
    public const UnixFileMode Usual = Write;

    private const UnixFileMode Write = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    private const int OwnFileSystemState = 0x200; // CLONE_FS

    private static readonly Lock Gate = new();

    /// <summary>The mask that this process was started with.</summary>
    public static UnixFileMode Inherited { get; private set; } = Usual;

    /// <summary>From here on new files are for this process's user alone. What a program does first.</summary>
    public static void MakePrivate() => Inherited = Set(Private);

    /// <summary>Gives a file that was made for the user the permissions that his own mask would have.</summary>
    public static void GiveAsUsers(string path) => File.SetUnixFileMode(
        path,
        (UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead | Write)
            & ~Inherited);

    /// <summary>Refuses a file or folder that others than its owner may write, where it is there.</summary>
    /// <param name="path">The file or folder; links are followed.</param>
    /// <param name="what">What it is, for the message: <c>the settings file</c>.</param>
    /// <exception cref="FailureException"><c>files_exposed</c>.</exception>
    public static void RefuseWritableByOthers(string path, string what)
    {
        if (Path.Exists(path) && (File.GetUnixFileMode(path) & Write) != UnixFileMode.None)
        {
            throw new FailureException(
                "files_exposed",
                $"{path}: other users may write {what}, and could have runs started as they like.",
                $"Type: chmod go-w '{path}'",
                Fault.Operator);
        }
    }

    /// <summary>Starts something that is to have another mask than this process.</summary>
    internal static int Within(UnixFileMode? mask, Func<int> start)
    {
        if (mask is not { } wanted)
        {
            return start();
        }

        // A thread with a mask of its own changes nobody else's. Where that is forbidden (the seccomp profile of Docker
        // does), the process has the other mask for this moment; files that must be private are made so by name.
        lock (Gate)
        {
            _ = Libc.Unshare(OwnFileSystemState);
            var before = Set(wanted);
            try
            {
                return start();
            }
            finally
            {
                _ = Set(before);
            }
        }
    }

    private static UnixFileMode Set(UnixFileMode mask) => (UnixFileMode)Libc.SetFileMask((uint)mask);
}
