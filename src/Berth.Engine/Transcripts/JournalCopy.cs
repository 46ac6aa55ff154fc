using System.Buffers;
using System.Buffers.Text;
using System.Runtime.CompilerServices;

namespace Berth.Engine.Transcripts;

/// <summary>A piece of one line of a journal, without its newline.</summary>
/// <param name="Seq">The number of the entry.</param>
/// <param name="Bytes">The piece; good until the next one is asked for.</param>
/// <param name="IsFirst">Whether the line begins here.</param>
/// <param name="IsLast">Whether it ends here.</param>
internal readonly record struct JournalPiece(long Seq, ReadOnlyMemory<byte> Bytes, bool IsFirst, bool IsLast);

/// <summary>Copies the lines of a feed as they are, from a position to the end of the run.</summary>
/// <remarks>
/// Nothing is parsed but the number at a line's beginning, and no line is ever held whole: a reader needs one small
/// buffer, and that only while there is something to copy.
/// </remarks>
internal static class JournalCopy
{
    private const int Room = 16 * 1024;

    // Number, time and stream, each at its longest: who copies them has them in one piece.
    private const int PrefixLength = 128;
    private static readonly byte[] Prefix = "{\"seq\":"u8.ToArray();

    /// <summary>Gives the pieces of all lines after a number, as they come.</summary>
    /// <param name="feed">The journal.</param>
    /// <param name="after">The number of the last entry that the reader has; 0 for none.</param>
    /// <param name="follow">Whether to go on until the run has ended.</param>
    /// <param name="wait">Called with what to wait for whenever there is nothing to copy.</param>
    /// <param name="cancel">Ends it.</param>
    public static async IAsyncEnumerable<JournalPiece> ReadAsync(
        JournalFeed feed, long after, bool follow, Func<Task, ValueTask> wait,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        var position = new Position();
        await wait(feed.Ready);
        while (true)
        {
            // Before the copying: what the end was seen after is copied.
            var isLast = !follow || feed.IsAtEnd;
            if (feed.HasMoreThan(position.Offset))
            {
                var room = ArrayPool<byte>.Shared.Rent(Room);
                try
                {
                    while (feed.Read(position.Offset, room) is > 0 and var count)
                    {
                        foreach (var piece in position.Cut(room.AsMemory(0, count)))
                        {
                            if (piece.Seq > after)
                            {
                                yield return piece;
                            }
                        }
                    }
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(room);
                }
            }

            if (isLast)
            {
                yield break;
            }

            await wait(feed.WaitAsync(position.Offset, cancel));
        }
    }

    /// <summary>Where a reader is, and in which line.</summary>
    private sealed class Position
    {
        private long seq;
        private bool isInside;

        public long Offset { get; private set; }

        public IEnumerable<JournalPiece> Cut(ReadOnlyMemory<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                var end = bytes.Span.IndexOf((byte)'\n');
                if (!isInside && end < 0 && bytes.Length < PrefixLength)
                {
                    // The number may be cut off; it is read again with what follows.
                    yield break;
                }

                var isFirst = !isInside;
                seq = isFirst ? NumberOf(bytes.Span) : seq;
                var line = end < 0 ? bytes : bytes[..end];
                isInside = end < 0;
                var taken = line.Length + (isInside ? 0 : 1);
                Offset += taken;
                bytes = bytes[taken..];
                yield return new JournalPiece(seq, line, isFirst, !isInside);
            }
        }

        // A line that has none was damaged by a power cut; nobody has to see it.
        private static long NumberOf(ReadOnlySpan<byte> line) =>
            line.StartsWith(Prefix) && Utf8Parser.TryParse(line[Prefix.Length..], out long number, out _) ? number : 0;
    }
}
