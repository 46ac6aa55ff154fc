namespace Berth.Server.Compatibility;

/// <summary>Keeps the end of what is written to it, and forgets the rest.</summary>
internal sealed class TailStream(int most) : Stream
{
    private readonly byte[] ring = new byte[most];
    private long written;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => written;

    public override long Position
    {
        get => written;
        set => throw new NotSupportedException();
    }

    /// <summary>What was kept; where something was forgotten, from the first whole line on.</summary>
    public byte[] Kept()
    {
        if (written <= most)
        {
            return ring[..(int)written];
        }

        var at = (int)(written % most);
        byte[] kept = [.. ring[at..], .. ring[..at]];
        return kept[(Array.IndexOf(kept, (byte)'\n') + 1)..];
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        foreach (var value in buffer)
        {
            ring[written++ % most] = value;
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
        // What is written is kept at once.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
