using System.Buffers;
using System.IO.Hashing;
using System.Text.Json;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Protocol;

/// <summary>Writes the journal: the host before and after the supervisor, the supervisor in between; never two at
/// once.</summary>
/// <remarks>
/// Each entry is one unbuffered write, so that a killed writer loses nothing. On a full disk what does not fit waits
/// in memory, up to a bound, and is written when there is space again; past the bound it is dropped, and the journal
/// says how much. A part of a line is never left in the middle of the file. All members may be called from any
/// thread.
/// </remarks>
public sealed class JournalWriter : IDisposable
{
    // What the agent says may wait up to the first bound, what Berth says and the result event up to the second.
    private const int WaitingBytes = 1024 * 1024;
    private const int WaitingOwnBytes = 24 * 1024 * 1024;
    // For what Berth has to say when the disk is full: that it is, and how the run ends.
    private const int ReserveBytes = 256 * 1024;
    private const string FullMessage =
        "The disk of this run is full: the run waits for room. Free some space; berth cleanup --all makes some.";
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    private readonly Lock gate = new();
    private readonly SafeFileHandle file;
    private readonly JournalLock folderLock;
    private readonly FileReserve? reserve;
    private readonly Crc32 crc;
    private readonly TimeProvider time;
    private Redactor redactor;
    private readonly ArrayBufferWriter<byte> entry = new(4096);
    private readonly ArrayBufferWriter<byte> redacted = new(256);
    private readonly ArrayBufferWriter<byte> sanitized = new(256);
    private ArrayBufferWriter<byte> waiting = new(256);
    private long lastTry;
    private long unannounced;
    private bool dirty;
    private bool closed;
    private bool saidFull;

    private JournalWriter(string path, JournalLock folderLock, TimeProvider time, Redactor redactor, bool checksum)
    {
        this.folderLock = folderLock;
        this.time = time;
        this.redactor = redactor;
        file = Descriptor.OpenAppend(path);
        reserve = checksum ? new FileReserve(file, ReserveBytes) : null;
        var tail = JournalTail.Find(path);
        LastSeq = tail.LastSeq;
        Bytes = tail.Bytes;
        if (tail.TornBytes > 0)
        {
            _ = Descriptor.Truncate(file, tail.Bytes);
        }

        crc = checksum ? JournalTail.Checksum(path, tail.Bytes) : new Crc32();
    }

    /// <summary>The number of the last entry.</summary>
    public long LastSeq { get; private set; }

    /// <summary>The size of the file: whole lines only.</summary>
    public long Bytes { get; private set; }

    /// <summary>The CRC-32 of the file, where the writer was opened with it.</summary>
    public uint Crc => crc.GetCurrentHashAsUInt32();

    /// <summary>Bytes of data that a full disk cost.</summary>
    public long DroppedBytes { get; private set; }

    /// <summary>Whether entries wait for space on the disk.</summary>
    public bool IsWaiting => waiting.WrittenCount > 0 || unannounced > 0;

    /// <summary>Opens the journal of a run, repairs a torn last line, and goes on with its numbers.</summary>
    /// <param name="path">The file; made with mode 0600 where it is missing.</param>
    /// <param name="time">The clock of the entries.</param>
    /// <param name="redactor">What is redacted in all that is written, or null for nothing.</param>
    /// <param name="checksum">Whether <see cref="Crc"/> is wanted, for which what is there already must be
    /// read; and room on the disk for what Berth has to say later. A run's supervisor wants both.</param>
    /// <exception cref="FailureException"><c>journal_busy</c>: another process writes it.</exception>
    public static JournalWriter Open(string path, TimeProvider time, Redactor? redactor = null, bool checksum = false)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(time);
        var taken = JournalLock.Take(path, time);
        try
        {
            return new JournalWriter(path, taken, time, redactor ?? Redactor.None, checksum);
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    /// <summary>From here on this is redacted in all that is written: for a writer whose lock must be held before
    /// secrets are read.</summary>
    public void RedactWith(Redactor secrets)
    {
        lock (gate)
        {
            redactor = secrets;
        }
    }

    /// <summary>Writes an event of Berth's own.</summary>
    /// <param name="type">One of <see cref="BerthEvents"/>.</param>
    /// <param name="fields">Writes its other properties.</param>
    public void AppendEvent(string type, Action<Utf8JsonWriter>? fields = null)
    {
        var data = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(data))
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, type);
            fields?.Invoke(writer);
            writer.WriteEndObject();
        }

        _ = AppendLine(JournalEntry.Berth, data.WrittenSpan, keep: true);
    }

    /// <summary>Writes a whole line: as JSON where it is an object or array, else as a string; redacted and made
    /// valid UTF-8.</summary>
    /// <param name="stream">Who said it.</param>
    /// <param name="line">The line, without its newline.</param>
    /// <param name="keep">Whether it may wait longest when the disk is full.</param>
    /// <returns>Whether it was written or waits; false: it was dropped.</returns>
    public bool AppendLine(string stream, ReadOnlySpan<byte> line, bool keep = false)
    {
        lock (gate)
        {
            var text = AgentText.Sanitize(redactor.RedactLine(line, redacted), sanitized);
            var json = AgentText.Trim(text);
            if (!AgentText.IsJson(json))
            {
                return Append(stream, text, isJson: false, more: false, spill: null, keep);
            }

            if (AgentText.MayHoldSurrogates(json))
            {
                var copy = json.ToArray();
                AgentText.MendSurrogates(copy);
                return Append(stream, copy, isJson: true, more: false, spill: null, keep);
            }

            return Append(stream, json, isJson: true, more: false, spill: null, keep);
        }
    }

    /// <summary>Writes a part of a long line as a string. It must have been redacted: only the caller sees across the
    /// parts.</summary>
    /// <param name="stream">Who said it.</param>
    /// <param name="text">The part; invalid UTF-8 in it is replaced.</param>
    /// <param name="more">Whether another part follows.</param>
    /// <param name="spill">The file with the rest of the line, for the last part only.</param>
    /// <param name="keep">Whether it may wait longest when the disk is full.</param>
    /// <returns>Whether it was written or waits; false: it was dropped.</returns>
    public bool AppendPart(string stream, ReadOnlySpan<byte> text, bool more, string? spill = null, bool keep = false)
    {
        lock (gate)
        {
            return Append(stream, AgentText.Sanitize(text, sanitized), isJson: false, more, spill, keep);
        }
    }

    /// <summary>Tries again to write what waits for space.</summary>
    public void Retry()
    {
        lock (gate)
        {
            _ = closed || WriteWaiting(force: true);
        }
    }

    /// <summary>Flushes to disk what was written since the last time.</summary>
    public void Flush()
    {
        lock (gate)
        {
            if (!dirty)
            {
                return;
            }

            dirty = false;
        }

        _ = Descriptor.Sync(file);
    }

    /// <summary>Gives back the room that a supervisor took behind the end: nothing follows.</summary>
    public void GiveBackRoom()
    {
        lock (gate)
        {
            _ = closed || Descriptor.Truncate(file, Bytes);
        }
    }

    /// <summary>Tries a last time to write what waits, flushes, and closes.</summary>
    public void Dispose()
    {
        Retry();
        Flush();
        lock (gate)
        {
            closed = true;
            file.Dispose();
            folderLock.Dispose();
        }
    }

    private bool Append(string stream, ReadOnlySpan<byte> data, bool isJson, bool more, string? spill, bool keep)
    {
        if (closed)
        {
            DroppedBytes += data.Length;
            return false;
        }

        Encode(stream, data, isJson, more, spill);
        if (WriteWaiting(force: false) && HasRoom(keep) && TryWrite(entry.WrittenSpan, keep))
        {
            LastSeq++;
            return true;
        }

        if (waiting.WrittenCount + entry.WrittenCount > (keep ? WaitingOwnBytes : WaitingBytes))
        {
            DroppedBytes += data.Length;
            unannounced += data.Length;
            return false;
        }

        waiting.Write(entry.WrittenSpan);
        LastSeq++;
        return true;
    }

    private void Encode(string stream, ReadOnlySpan<byte> data, bool isJson, bool more, string? spill)
    {
        const int LongestNumber = 20;
        const int LongestDate = 40;
        entry.ResetWrittenCount();

        // Room for all of it at once, as far as can be known: growing by doubling would leave large arrays behind.
        _ = entry.GetSpan(data.Length + (data.Length / 8) + 256);
        entry.Write("{\"seq\":"u8);
        _ = (LastSeq + 1).TryFormat(entry.GetSpan(LongestNumber), out var count);
        entry.Advance(count);
        entry.Write(",\"at\":\""u8);
        _ = time.GetUtcNow().UtcDateTime.TryFormat(entry.GetSpan(LongestDate), out count,
            "yyyy-MM-ddTHH:mm:ss.ffffffZ");
        entry.Advance(count);
        entry.Write("\",\"stream\":\""u8);
        foreach (var letter in stream)
        {
            entry.Write([(byte)letter]);
        }

        entry.Write("\",\"data\":"u8);
        if (isJson)
        {
            entry.Write(data);
        }
        else
        {
            AgentText.WriteString(data, entry);
        }

        if (more)
        {
            entry.Write(",\"more\":true"u8);
        }

        if (spill is not null)
        {
            entry.Write(",\"spill\":"u8);
            AgentText.WriteString(System.Text.Encoding.UTF8.GetBytes(spill), entry);
        }

        entry.Write("}\n"u8);
    }

    /// <returns>Whether nothing waits any more.</returns>
    private bool WriteWaiting(bool force)
    {
        if (!IsWaiting)
        {
            return true;
        }

        if (!force && time.GetElapsedTime(lastTry) < RetryInterval)
        {
            return false;
        }

        lastTry = time.GetTimestamp();
        if (waiting.WrittenCount > 0 && !TryWrite(waiting.WrittenSpan, urgent: false))
        {
            return false;
        }

        waiting = new ArrayBufferWriter<byte>(256);
        return unannounced == 0 || AnnounceDropped();
    }

    // Nothing waits yet when a disk is found full for the first time, so the notice has the next number.
    private bool HasRoom(bool urgent)
    {
        if (reserve?.Has(Bytes, entry.WrittenCount, urgent) != false)
        {
            saidFull &= urgent;
            return true;
        }

        if (!saidFull)
        {
            saidFull = true;
            _ = Insert($$"""
                {"type":"{{BerthEvents.Notice}}","message":"{{FullMessage}}"}
                """);
        }

        return false;
    }

    private bool AnnounceDropped()
    {
        var message = $"The disk was full: {unannounced} bytes of output were dropped.";
        var isSaid = Insert($$"""
            {"type":"{{BerthEvents.Notice}}","message":"{{message}}","bytes":{{unannounced}}}
            """);
        unannounced = isSaid ? 0 : unannounced;
        return isSaid;
    }

    private bool Insert(string data)
    {
        // What is about to be written stands in the buffer already.
        var pending = new ArrayBufferWriter<byte>(Math.Max(entry.WrittenCount, 1));
        pending.Write(entry.WrittenSpan);
        Encode(JournalEntry.Berth, System.Text.Encoding.UTF8.GetBytes(data), isJson: true, more: false, spill: null);
        if (!TryWrite(entry.WrittenSpan, urgent: true))
        {
            entry.ResetWrittenCount();
            entry.Write(pending.WrittenSpan);
            return false;
        }

        LastSeq++;

        // The entry that was about to be written has the number that the notice took: it gets the next one.
        Renumber(pending.WrittenSpan);
        return true;
    }

    private void Renumber(ReadOnlySpan<byte> old)
    {
        entry.ResetWrittenCount();
        var rest = old.IndexOf((byte)',');
        if (rest < 0)
        {
            return;
        }

        const int LongestNumber = 20;
        entry.Write("{\"seq\":"u8);
        _ = (LastSeq + 1).TryFormat(entry.GetSpan(LongestNumber), out var count);
        entry.Advance(count);
        entry.Write(old[rest..]);
    }

    private bool TryWrite(ReadOnlySpan<byte> lines, bool urgent)
    {
        var written = 0;
        if (reserve?.Has(Bytes, lines.Length, urgent) == false
            || Descriptor.Write(file, lines, out written) != 0)
        {
            if (written > 0)
            {
                _ = Descriptor.Truncate(file, Bytes);
                reserve?.Cut(Bytes);
            }

            return false;
        }

        Bytes += lines.Length;
        crc.Append(lines);
        dirty = true;
        return true;
    }
}
