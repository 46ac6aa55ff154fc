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
            using (var file = Open(temporary, FileMode.CreateNew))
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

    /// <summary>Writes files (0600) and flushes them and their folders to disk, all after the last one is written:
    /// that is half of the waiting for the disk. None of them is whole before this has returned, so it is for folders
    /// that nobody looks into until then; after a failure the caller removes them.</summary>
    /// <exception cref="IOException">The disk is full or a folder is gone.</exception>
    public static void WriteTogether(IReadOnlyDictionary<string, byte[]> files)
    {
        var written = new List<FileStream>();
        try
        {
            foreach (var (path, content) in files)
            {
                var file = Open(path, FileMode.Create);
                written.Add(file);
                file.Write(content);
            }

            foreach (var file in written)
            {
                file.Flush(flushToDisk: true);
            }

            foreach (var folder in files.Keys.Select(path => Path.GetDirectoryName(path)!)
                .Distinct(StringComparer.Ordinal))
            {
                SyncFolder(folder);
            }
        }
        finally
        {
            foreach (var file in written)
            {
                file.Dispose();
            }
        }
    }

    // Without a buffer, which a full disk would have fail once more when it is closed.
    private static FileStream Open(string path, FileMode mode) => new(
        path,
        new FileStreamOptions { Mode = mode, Access = FileAccess.Write, UnixCreateMode = Private, BufferSize = 0 });

    internal static void SyncFolder(string folder)
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
