using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>A small file that has to be written when the disk may be full: its room is taken beforehand.</summary>
public sealed class ReservedFile : IDisposable
{
    private readonly string path;
    private readonly string reserve;
    private readonly SafeFileHandle? file;
    private bool isUsed;

    private ReservedFile(string path, string reserve, SafeFileHandle? file) =>
        (this.path, this.reserve, this.file) = (path, reserve, file);

    /// <summary>Takes the room for a file, as far as there is any. A reserve that a killed process left is used
    /// again.</summary>
    /// <param name="path">The file, which must not be there yet.</param>
    /// <param name="reserve">The file that holds the room until then, in the same folder.</param>
    /// <param name="bytes">How much.</param>
    public static ReservedFile Take(string path, string reserve, long bytes)
    {
        SafeFileHandle? room = null;
        try
        {
            room = Descriptor.OpenAppend(reserve);
            _ = Descriptor.Truncate(room, 0);
            _ = Descriptor.Allocate(room, 0, bytes);
        }
        catch (IOException)
        {
            // Then the file is written like any other.
        }

        return new ReservedFile(path, reserve, room);
    }

    /// <summary>Writes the file whole, by rename, into the room that was taken.</summary>
    /// <exception cref="IOException">There is no room, not even there; or the folder is gone.</exception>
    public void Write(ReadOnlySpan<byte> content)
    {
        // Cut to nothing it would lose its room, so what a failed rename has left in it is written over by a new file.
        if (file is null || isUsed || Descriptor.Write(file, content, out _) != 0)
        {
            AtomicFile.Write(path, content);
            return;
        }

        isUsed = true;

        // The rest of the room goes back; the file is as long as its content.
        _ = Descriptor.Truncate(file, content.Length);
        _ = Descriptor.Sync(file);
        File.Move(reserve, path, overwrite: true);
        AtomicFile.SyncFolder(Path.GetDirectoryName(path)!);
    }

    /// <summary>Gives back what is still reserved.</summary>
    public void Dispose()
    {
        file?.Dispose();
        try
        {
            File.Delete(reserve);
        }
        catch (IOException)
        {
            // The whole folder is gone.
        }
    }
}
