using System.Buffers;
using Berth.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Berth.Engine;

/// <summary>Copies a file that an agent wrote, without the run's secrets, in a bounded buffer.</summary>
internal static class ArtefactCopy
{
    private const int LeastBuffer = 256 * 1024;

    private static readonly FileStreamOptions ForOwner = new()
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.Write,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        BufferSize = 0,
    };

    /// <summary>Copies it to a new file (0600).</summary>
    /// <param name="file">The file, read from its beginning.</param>
    /// <param name="path">The new file.</param>
    /// <param name="most">How much the copy may have, in bytes.</param>
    /// <param name="redactor">Knows the secrets. One that is cut in two by a read is found too.</param>
    /// <param name="deadline">Stops it.</param>
    /// <returns>The copy's length; null where there is more than may be, and then there is no copy.</returns>
    /// <exception cref="IOException">The disk is full, or the file cannot be read; there is no copy.</exception>
    public static async Task<long?> MakeAsync(
        SafeFileHandle file, string path, long most, Redactor redactor, CancellationToken deadline)
    {
        long? copied = null;
        try
        {
            await using var target = new FileStream(path, ForOwner);
            copied = await CopyAsync(file, target, most, redactor, deadline);
        }
        finally
        {
            if (copied is null)
            {
                File.Delete(path);
            }
        }

        return copied;
    }

    private static async Task<long?> CopyAsync(
        SafeFileHandle file, FileStream target, long most, Redactor redactor, CancellationToken deadline)
    {
        // Of a piece that is twice as long as the longest secret something can always be let go.
        var buffer = new byte[Math.Max(LeastBuffer, 2 * redactor.Longest) + 1];
        var scratch = new ArrayBufferWriter<byte>();
        var (length, read, written) = (0, 0L, 0L);
        while (true)
        {
            var count = await RandomAccess.ReadAsync(file, buffer.AsMemory(length), read, deadline);
            length += count;
            read += count;
            if (count > 0 && length < buffer.Length)
            {
                continue;
            }

            var cut = count == 0 ? length : redactor.SafeCut(buffer.AsSpan(0, length));
            var piece = redactor.Redact(buffer.AsSpan(0, cut), scratch);
            written += piece.Length;
            if (written > most)
            {
                return null;
            }

            target.Write(piece);
            buffer.AsSpan(cut, length - cut).CopyTo(buffer);
            length -= cut;
            if (count == 0)
            {
                return written;
            }
        }
    }
}
