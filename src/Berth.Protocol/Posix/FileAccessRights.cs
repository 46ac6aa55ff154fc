namespace Berth.Protocol.Posix;

/// <summary>What this process may do with a file, as the kernel sees it: the mount's options count too.</summary>
public static class FileAccessRights
{
    private const int Execute = 1;

    /// <summary>Whether it may be executed.</summary>
    public static bool MayExecute(string path) => Libc.Access(path, Execute) == 0;
}
