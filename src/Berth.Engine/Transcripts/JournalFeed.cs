using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Microsoft.Win32.SafeHandles;

namespace Berth.Engine.Transcripts;

/// <summary>One run's journal while it grows, looked at once for any number of readers.</summary>
/// <remarks>
/// The writer cuts the file back to its last whole line when the disk is full, so what counts is how far it is whole:
/// up to there nothing ever changes. Readers copy from the file at their own pace, each from its own offset, and a slow
/// one costs nobody anything.
/// </remarks>
internal sealed class JournalFeed : IAsyncDisposable
{
    // A line that says the end is short; longer ones need no second look.
    private const int LongestEnd = 1024;
    private const int Chunk = 64 * 1024;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Coalesced = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan OverInterval = TimeSpan.FromSeconds(1);

    private readonly string path;
    private readonly Func<bool> isOver;
    private readonly TimeProvider time;
    private readonly CancellationTokenSource done = new();
    private readonly Task loop;
    private readonly byte[] buffer = new byte[Chunk];
    private readonly TaskCompletionSource first = New();
    private SafeFileHandle? file;
    private long whole;
    private long length;
    private long lookedAt;
    private volatile bool isAtEnd;
    private volatile TaskCompletionSource grown = New();

    /// <summary>Begins to look.</summary>
    /// <param name="path">The journal; it may not be there yet.</param>
    /// <param name="isOver">Whether nothing more will be written, whatever the journal says.</param>
    /// <param name="time">The clock.</param>
    public JournalFeed(string path, Func<bool> isOver, TimeProvider time)
    {
        (this.path, this.isOver, this.time) = (path, isOver, time);
        lookedAt = time.GetTimestamp();
        loop = WatchAsync();
    }

    /// <summary>Done when what was there at the beginning has been looked through.</summary>
    public Task Ready => first.Task;

    /// <summary>How many bytes of it are whole lines.</summary>
    public long Whole => Volatile.Read(ref whole);

    /// <summary>Whether there is more than a reader has seen.</summary>
    public bool HasMoreThan(long seen) => Whole > seen;

    /// <summary>Whether nothing follows after <see cref="Whole"/>.</summary>
    public bool IsAtEnd => isAtEnd;

    /// <summary>Waits until there is more than a reader has seen, or the end is reached.</summary>
    public async Task WaitAsync(long seen, CancellationToken cancel)
    {
        // Taken before the look: what grows in between completes this very one.
        for (var next = grown; !HasMoreThan(seen) && !isAtEnd; next = grown)
        {
            await next.Task.WaitAsync(cancel);
        }
    }

    /// <summary>Copies what is whole from an offset on, as much as there is room for.</summary>
    /// <returns>How many bytes.</returns>
    public int Read(long offset, Span<byte> room)
    {
        var most = (int)Math.Min(room.Length, Whole - offset);
        return most <= 0 || file is null ? 0 : RandomAccess.Read(file, room[..most], offset);
    }

    public async ValueTask DisposeAsync()
    {
        await done.CancelAsync();
        await loop;
        done.Dispose();
        file?.Dispose();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task WatchAsync()
    {
        // There may be much to look through, and whoever opens this is not to wait for it.
        await Task.Yield();
        using var watch = FolderWatch.Open(Path.GetDirectoryName(path)!, Path.GetFileName(path));
        try
        {
            var change = watch?.Next;
            Look();
            first.SetResult();
            while (!isAtEnd)
            {
                await FolderWatch.WaitAsync(change, watch is null ? Pause : OverInterval, time, done.Token);
                if (watch is not null)
                {
                    // A journal that grows all the time is looked at as often as one without a watch.
                    await Task.Delay(Coalesced, time, done.Token);
                }

                change = watch?.Next;
                Look();
            }
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The last reader has gone.
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            first.TrySetException(unreadable);
            grown.SetException(unreadable);
        }
    }

    private void Look()
    {
        var before = whole;
        if (IsOpen() && RandomAccess.GetLength(file!) is var now && now != length)
        {
            length = now;
            Scan();
        }
        else if (time.GetElapsedTime(lookedAt) >= OverInterval)
        {
            lookedAt = time.GetTimestamp();
            isAtEnd |= isOver();
        }

        if (whole > before || isAtEnd)
        {
            Interlocked.Exchange(ref grown, New()).SetResult();
        }
    }

    private bool IsOpen()
    {
        if (file is null && !Descriptor.IsMissing(path))
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }

        return file is not null;
    }

    private void Scan()
    {
        var lineStart = whole;
        for (var offset = whole; RandomAccess.Read(file!, buffer, offset) is > 0 and var count; offset += count)
        {
            for (int from = 0, to; (to = buffer.AsSpan(from, count - from).IndexOf((byte)'\n')) >= 0; from += to + 1)
            {
                var next = offset + from + to + 1;
                isAtEnd |= next - lineStart <= LongestEnd && SaysEnd(lineStart, (int)(next - lineStart));
                Volatile.Write(ref whole, lineStart = next);
            }
        }
    }

    private bool SaysEnd(long offset, int count)
    {
        Span<byte> line = stackalloc byte[count];
        var read = RandomAccess.Read(file!, line, offset);
        if (read < count || line.IndexOf("run_finished"u8) < 0)
        {
            return false;
        }

        try
        {
            return JsonSerializer.Deserialize(line, ProtocolJson.Default.JournalEntry) is { } entry
                && JournalReader.IsEnd(entry);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
