using System.IO.Enumeration;
using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>Gives files to another user, which only root can.</summary>
public static class Ownership
{
    // A socket of ours may be made anew meanwhile.
    private const int NotThere = 2;

    /// <summary>Gives a folder and all that is in it; links are given themselves and not followed.</summary>
    /// <exception cref="IOException">It could not be done.</exception>
    public static void Give(string folder, ChildUser user)
    {
        ArgumentNullException.ThrowIfNull(user);
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.None,
            IgnoreInaccessible = false,
        };

        // A repository may hold links to anywhere: what they lead to is never entered.
        var entries = new FileSystemEnumerable<string>(
            folder, static (ref entry) => entry.ToFullPath(), options)
        {
            ShouldRecursePredicate = static (ref entry) =>
                (entry.Attributes & FileAttributes.ReparsePoint) == FileAttributes.None,
        };
        foreach (var path in entries.Prepend(folder))
        {
            if (Libc.ChangeOwner(path, user.Id, user.Group) != 0
                && Marshal.GetLastPInvokeError() is not NotThere)
            {
                throw new IOException($"{path} could not be given to user {user.Id}: "
                    + Marshal.GetLastPInvokeErrorMessage());
            }
        }
    }
}
