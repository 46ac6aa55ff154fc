using System.Runtime.InteropServices;

namespace Berth.Protocol.Posix;

/// <summary>Gives a folder another path in one step, which is then on the disk.</summary>
/// <remarks><c>Directory.Move</c> puts nothing in the place of a folder, and two moves leave a moment without
/// one.</remarks>
public static class AtomicFolder
{
    private const int CurrentFolder = -100;
    private const uint NoReplace = 1;
    private const uint Swap = 2;

    /// <summary>Gives it a path at which there is nothing.</summary>
    /// <exception cref="IOException">There is something, or it cannot be done.</exception>
    public static void Move(string from, string to) => Rename(from, to, NoReplace);

    /// <summary>Gives two folders each other's path.</summary>
    /// <exception cref="IOException">One is not there, or the file system cannot do it.</exception>
    public static void Exchange(string one, string other) => Rename(one, other, Swap);

    private static void Rename(string from, string to, uint flags)
    {
        if (Libc.Rename(CurrentFolder, from, CurrentFolder, to, flags) != 0)
        {
            throw new IOException($"{to}: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        }

        using var folder = Descriptor.TryOpen(Path.GetDirectoryName(to)!);
        if (folder is not null)
        {
            _ = Descriptor.Sync(folder);
        }
    }
}
