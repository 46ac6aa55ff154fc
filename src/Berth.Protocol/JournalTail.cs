using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol;

/// <summary>Where the whole lines of a journal end, found from the end of the file.</summary>
/// <param name="Bytes">The length of the whole lines.</param>
/// <param name="LastSeq">The number of the last of them, or 0.</param>
/// <param name="TornBytes">What a crash left behind them.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct JournalTail(long Bytes, long LastSeq, long TornBytes)
{
    private const int FirstWindow = 64 * 1024;

    /// <summary>Finds it.</summary>
    /// <exception cref="IOException">The journal is not there, or cannot be read.</exception>
    public static JournalTail Find(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var length = RandomAccess.GetLength(file);
        var end = length;
        for (var window = FirstWindow; end > 0;)
        {
            var start = Math.Max(0, end - window);
            var bytes = new byte[end - start];
            var read = ReadFully(file, bytes, start);
            var last = bytes.AsSpan(0, read).LastIndexOf((byte)'\n');
            var before = last <= 0 ? -1 : bytes.AsSpan(0, last).LastIndexOf((byte)'\n');
            if (start > 0 && before < 0)
            {
                window = checked(window * 4);
                continue;
            }

            if (last < 0)
            {
                break;
            }

            if (TryReadSeq(bytes.AsSpan(before + 1, last - before - 1), out var seq))
            {
                return new JournalTail(start + last + 1, seq, length - (start + last + 1));
            }

            // After a power cut a line can be of the right length and full of zeros.
            end = start + before + 1;
        }

        return new JournalTail(0, 0, length);
    }

    internal static Crc32 Checksum(string path, long length)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var buffer = new byte[FirstWindow];
        var crc = new Crc32();
        for (long at = 0; at < length;)
        {
            var read = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - at)), at);
            if (read == 0)
            {
                break;
            }

            crc.Append(buffer.AsSpan(0, read));
            at += read;
        }

        return crc;
    }

    private static int ReadFully(SafeFileHandle file, byte[] bytes, long at)
    {
        var count = 0;
        while (count < bytes.Length && RandomAccess.Read(file, bytes.AsSpan(count), at + count) is > 0 and var read)
        {
            count += read;
        }

        return count;
    }

    private static bool TryReadSeq(ReadOnlySpan<byte> line, out long seq)
    {
        seq = 0;
        const int EntryDepth = JournalEntry.MaxDataDepth + 1;
        if (!AgentText.IsJson(line, EntryDepth))
        {
            return false;
        }

        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = EntryDepth });
        return reader.Read() && reader.Read() && reader.TokenType == JsonTokenType.PropertyName
            && reader.ValueTextEquals("seq"u8)
            && reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out seq);
    }
}

/// <summary>Keeps a second writer away from a journal.</summary>
/// <remarks>
/// The lock is on the folder: .NET takes a shared lock of its own on each file that it opens for reading, so a lock
/// on the journal would lock its readers out.
/// </remarks>
internal sealed class JournalLock : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private readonly SafeFileHandle folder;

    private JournalLock(SafeFileHandle folder) => this.folder = folder;

    public void Dispose() => folder.Dispose();

    internal static JournalLock Take(string journal, TimeProvider time)
    {
        var path = Path.GetDirectoryName(Path.GetFullPath(journal))!;
        var descriptor = Libc.Open(path, Libc.ReadOnly | Libc.CloseOnExec, 0);
        if (descriptor < 0)
        {
            throw new DirectoryNotFoundException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        var opened = new SafeFileHandle(descriptor, ownsHandle: true);
        var began = time.GetTimestamp();
        while (!Descriptor.TryLock(opened))
        {
            if (time.GetElapsedTime(began) > Patience)
            {
                opened.Dispose();
                throw new FailureException(
                    "journal_busy",
                    $"The journal {journal} was to be opened for writing, and another process writes it.",
                    "Nothing is to be done: one host or supervisor has this run already.",
                    Fault.Berth);
            }

            Thread.Sleep(Pause);
        }

        return new JournalLock(opened);
    }
}
