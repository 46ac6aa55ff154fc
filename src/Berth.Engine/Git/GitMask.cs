using Berth.Protocol.Posix;

namespace Berth.Engine.Git;

/// <summary>The permissions of what git makes on the host.</summary>
internal static class GitMask
{
    /// <summary>In repositories of ours: for us alone. Where we are root, the agent of a container is another user and
    /// reads a mirror's objects; nobody else comes there, for the folder of the mirrors is closed.</summary>
    public static UnixFileMode? OfOurs => Environment.IsPrivilegedProcess ? FileMask.Usual : null;

    /// <summary>In the user's repository: as its own files are, so that whoever reads it reads the new branch
    /// too.</summary>
    /// <param name="repository">Its top level, or the bare repository.</param>
    public static UnixFileMode? Of(string repository)
    {
        try
        {
            var inside = Path.Combine(repository, ".git");
            return ~File.GetUnixFileMode(Directory.Exists(inside) ? inside : repository) & FileMask.Private;
        }
        catch (IOException)
        {
            // Git then says what is wrong with it.
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }
}
