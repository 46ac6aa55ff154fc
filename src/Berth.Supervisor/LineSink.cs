using System.Buffers;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Cuts one of the agent's streams into lines and journals them, with bounded memory however long a line
/// is.</summary>
/// <remarks>
/// A line up to the limit is one entry. A longer one is written in parts as it comes, then to a spill file. Past the
/// journal's cap only a result event is kept: a line that is too long to be looked at whole goes to a spill file that
/// is deleted when it turns out to be none. The end of a part is held back as far as a secret or a character may be
/// cut in two there. Only the pump's thread uses this.
/// </remarks>
internal sealed class LineSink(
    string stream, RunJournal journal, Redactor redactor, ExecutionLimits limits, ILineListener? listener = null)
{
    private const int FirstBuffer = 64 * 1024;

    private readonly ArrayBufferWriter<byte> redacted = new(256);
    private readonly ArrayBufferWriter<byte> sanitized = new(256);

    // One more than a whole line, so that a line of just the limit is still whole.
    private readonly int capacity = Math.Max(limits.LineBytes, 2 * redactor.Longest) + 1;
    private byte[] buffer = [];
    private int length;
    private ResultDetector? detector;
    private SpillFile? spill;
    private bool spillIsTentative;
    private bool isLong;
    private bool isCut;
    private int parts;
    private long emitted;

    /// <summary>Takes what was read.</summary>
    internal void Take(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            if (end < 0)
            {
                Keep(bytes);
                return;
            }

            if (length == 0 && !isLong && end < capacity)
            {
                WholeLine(bytes[..end]);
            }
            else
            {
                Keep(bytes[..end]);
                EndLine();
            }

            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>The stream has ended: what has no newline yet is a line too.</summary>
    internal void Complete()
    {
        if (length > 0 || isLong)
        {
            EndLine();
        }
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (length + bytes.Length > buffer.Length && buffer.Length < capacity)
            {
                // Two steps only: what is left behind of a large array is not collected for long.
                Array.Resize(ref buffer, length + bytes.Length <= FirstBuffer ? Math.Min(FirstBuffer, capacity)
                    : capacity);
            }

            var count = Math.Min(bytes.Length, buffer.Length - length);
            bytes[..count].CopyTo(buffer.AsSpan(length));
            length += count;
            if (isLong)
            {
                detector?.Feed(bytes[..count]);
            }

            if (length == capacity)
            {
                EmitPart();
            }

            bytes = bytes[count..];
        }
    }

    private void WholeLine(ReadOnlySpan<byte> line)
    {
        var isResult = listener is not null && ResultDetector.Test(line);
        if (isResult ? journal.TakesResult(line.Length) : !journal.IsFull(line.Length))
        {
            _ = journal.Writer.AppendLine(stream, line, isResult);
        }
        else
        {
            journal.Drop(line.Length);
        }

        if (!line.IsEmpty)
        {
            listener?.LineEnded(line, isResult);
        }
    }

    private void EndLine()
    {
        if (isLong)
        {
            EndLongLine();
        }
        else
        {
            WholeLine(buffer.AsSpan(0, length));
        }

        length = 0;
    }

    private void EmitPart()
    {
        if (!isLong)
        {
            isLong = true;
            detector = listener is null ? null : new ResultDetector();
            detector?.Feed(buffer.AsSpan(0, length));
            listener?.LongLineBegins(buffer.AsSpan(0, length));
        }

        var cut = redactor.SafeCut(buffer.AsSpan(0, length));
        Emit(buffer.AsSpan(0, cut), more: true);
        buffer.AsSpan(cut, length - cut).CopyTo(buffer);
        length -= cut;
    }

    private void Emit(ReadOnlySpan<byte> piece, bool more)
    {
        if (isCut)
        {
            journal.Drop(piece.Length);
            return;
        }

        var text = redactor.Redact(piece, redacted);
        var full = journal.IsFull(piece.Length);
        if (spill is null && !full && emitted + piece.Length <= limits.SpillBytes)
        {
            isCut = !journal.Writer.AppendPart(stream, text, more);
            parts++;
            emitted += piece.Length;
            return;
        }

        if (full && (detector is not { IsResult: null or true } || !journal.HasRoomForLate(spill?.Length ?? 0)))
        {
            isCut = true;
            journal.Drop(piece.Length);
            return;
        }

        spillIsTentative |= spill is null && full;
        spill ??= journal.Spill(stream);
        text = AgentText.Sanitize(text, sanitized);
        isCut = spill.Append(text) is var written && written < text.Length;
        journal.Drop(text.Length - written);
    }

    private void EndLongLine()
    {
        var isResult = detector?.IsResult == true;
        if (spill is null && !isCut && !journal.IsFull(length))
        {
            Emit(buffer.AsSpan(0, length), more: false);
            parts = isCut ? parts : 0;
        }
        else
        {
            Emit(buffer.AsSpan(0, length), more: true);
        }

        if (spill is not null && spillIsTentative && !isResult)
        {
            journal.Drop(spill.Length);
            spill.Delete();
            spill = null;
        }
        else if (spillIsTentative)
        {
            journal.KeepLate(spill?.Length ?? 0);
        }

        spill?.Dispose();
        if (spill is not null || parts > 0)
        {
            // The line's last part: readers must know that it has ended, also where its end was dropped.
            _ = journal.Writer.AppendPart(stream, [], more: false, spill?.Name, keep: true);
        }

        listener?.LineEnded([], isResult);
        (spill, detector, parts, emitted) = (null, null, 0, 0);
        isLong = isCut = spillIsTentative = false;
    }
}
