using System.Runtime.CompilerServices;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Engine.Transcripts;

/// <summary>Reads a run's journal from a position, and follows it while it is written.</summary>
/// <remarks>
/// The writer may be another process, may be killed, and cuts the file back to its last whole line when the disk is
/// full. So a reader keeps nothing of a line that is not whole: it reads it again from its beginning. Any number of
/// readers need no more than a buffer each.
/// </remarks>
internal sealed class JournalReader(TimeProvider time)
{
    /// <summary>A longer line is no journal's: the longest entry is a note of 16 MiB whose every byte is
    /// escaped.</summary>
    internal const int LongestLine = 128 * 1024 * 1024;

    private const int FirstBuffer = 64 * 1024;

    // Entries come close together, so the sooner after the last one, the sooner the next look.
    private const int QuietShare = 8;
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(25);

    // A writer that was killed changes no file, and is looked for this often.
    private static readonly TimeSpan WatchedPause = TimeSpan.FromSeconds(2);

    /// <summary>Gives the entries after a position.</summary>
    /// <param name="directory">The run's.</param>
    /// <param name="after">The number of the last entry seen already; 0 for all.</param>
    /// <param name="ended">
    /// Null to stop at the end of the file. Otherwise the file is followed until
    /// <see cref="BerthEvents.RunFinished"/> was given, or this was true before a read that found nothing new.
    /// </param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="FailureException"><c>journal_corrupt</c>: a line is longer than any entry.</exception>
    internal async IAsyncEnumerable<JournalEntry> ReadAsync(
        RunDirectory directory, long after, Func<bool>? ended,
            [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lines = new JournalLines(directory.JournalFile);
        using var watch = ended is null ? null : FolderWatch.Open(
            directory.Root, Path.GetFileName(directory.JournalFile), Path.GetFileName(directory.ExitFile));
        var quietSince = time.GetTimestamp();
        while (true)
        {
            var change = watch?.Next;
            var last = ended is null || ended();
            var foundNew = false;
            while (lines.Next() is { } line)
            {
                cancellationToken.ThrowIfCancellationRequested();
                foundNew = true;
                if (Parse(line.Span, after) is not { } entry)
                {
                    continue;
                }

                yield return entry;
                if (ended is not null && IsEnd(entry))
                {
                    yield break;
                }
            }

            if (last && !foundNew)
            {
                yield break;
            }

            if (foundNew)
            {
                quietSince = time.GetTimestamp();
            }
            else
            {
                // What follows the last entry closely is looked for soon, and the file is watched once it is quiet.
                var pause = PauseAfter(time.GetElapsedTime(quietSince));
                var isWatched = change is not null && pause > ShortestPause;
                await FolderWatch.WaitAsync(
                    isWatched ? change : null, isWatched ? WatchedPause : pause, time, cancellationToken);
            }
        }
    }

    private static TimeSpan PauseAfter(TimeSpan quiet)
    {
        var share = quiet / QuietShare;
        return share < ShortestPause ? ShortestPause : share > LongestPause ? LongestPause : share;
    }

    /// <summary>Whether nothing follows after an entry.</summary>
    internal static bool IsEnd(JournalEntry entry) =>
        string.Equals(entry.Stream, JournalEntry.Berth, StringComparison.Ordinal)
        && entry.Data is { ValueKind: JsonValueKind.Object } data
        && data.TryGetProperty("type"u8, out var type) && type.ValueEquals(BerthEvents.RunFinished);

    /// <returns>Null for an entry that was seen already, and for a line that is none.</returns>
    private static JournalEntry? Parse(ReadOnlySpan<byte> line, long after)
    {
        try
        {
            if (after > 0 && SeqOf(line) is { } seq && seq <= after)
            {
                return null;
            }

            return JsonSerializer.Deserialize(line, ProtocolJson.Default.JournalEntry) is { } entry
                && entry.Seq > after ? entry : null;
        }
        catch (JsonException)
        {
            // After a power cut a line may be zeros; the writer's repair takes it away.
            return null;
        }
    }

    // The number stands first, so that entries seen already need not be parsed.
    private static long? SeqOf(ReadOnlySpan<byte> line)
    {
        var prefix = "{\"seq\":"u8;
        return line.StartsWith(prefix) && System.Buffers.Text.Utf8Parser.TryParse(line[prefix.Length..], out long seq,
            out _) ? seq : null;
    }

    /// <summary>The whole lines of a growing file, one after the other.</summary>
    private sealed class JournalLines(string path) : IDisposable
    {
        private SafeFileHandle? file;
        private byte[] buffer = new byte[FirstBuffer];
        private int begin;
        private int end;
        private long offset;

        public void Dispose() => file?.Dispose();

        /// <summary>The next whole line without its newline, or null where there is none yet.</summary>
        internal ReadOnlyMemory<byte>? Next()
        {
            for (var searched = 0; ;)
            {
                var newline = buffer.AsSpan(begin + searched, end - begin - searched).IndexOf((byte)'\n');
                if (newline >= 0)
                {
                    var line = buffer.AsMemory(begin, searched + newline);
                    begin += searched + newline + 1;
                    offset += searched + newline + 1;
                    return line;
                }

                searched = end - begin;
                if (!Fill())
                {
                    // What is there of the next line may be cut off and written anew.
                    begin = end = 0;
                    return null;
                }
            }
        }

        private bool Fill()
        {
            if (!Open())
            {
                return false;
            }

            if (begin > 0)
            {
                buffer.AsSpan(begin, end - begin).CopyTo(buffer);
                (begin, end) = (0, end - begin);
            }

            if (end == buffer.Length)
            {
                if (end >= LongestLine)
                {
                    throw new FailureException(
                        "journal_corrupt", $"{path} was read, and a line at byte {offset} is longer than any entry.",
                        "The file was changed by something else than Berth.", Fault.Operator);
                }

                Array.Resize(ref buffer, 2 * buffer.Length);
            }
            else if (end == 0 && buffer.Length > FirstBuffer * 16)
            {
                // One long line is no reason to keep its buffer for the rest of the run.
                buffer = new byte[FirstBuffer];
            }

            var count = RandomAccess.Read(file!, buffer.AsSpan(end), offset + end);
            end += count;
            return count > 0;
        }

        private bool Open()
        {
            if (file is null && Descriptor.IsMissing(path))
            {
                return false;
            }

            try
            {
                file ??= File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                return true;
            }
            catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
            {
                return false;
            }
        }
    }
}
