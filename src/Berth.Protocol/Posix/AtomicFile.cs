using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol.Posix;

/// <summary>Writes a file whole or not at all, however the machine or the disk fails.</summary>
/// <remarks><c>File.WriteAllText</c> truncates first: on a full disk the old file is gone and the new one is
/// empty.</remarks>
public static class AtomicFile
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a temporary file beside it (0600), flushes it to disk, renames it, and flushes the
    /// folder.</summary>
    /// <exception cref="IOException">The disk is full or the folder is gone; an older file of that name is
    /// untouched.</exception>
    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write,
                UnixCreateMode = Private };
            using (var file = new FileStream(temporary, options))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            SyncFolder(Path.GetDirectoryName(path)!);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static void SyncFolder(string folder)
    {
        var descriptor = Libc.Open(folder, Libc.ReadOnly | Libc.CloseOnExec, 0);
        if (descriptor < 0)
        {
            return;
        }

        using var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        _ = Libc.Sync(descriptor);
    }
}
