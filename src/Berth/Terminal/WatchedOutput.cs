namespace Berth.Terminal;

/// <summary>An output that knows whether somebody still reads it.</summary>
/// <remarks>
/// A diff passes through several hands, and the one that meets a closed pipe ends git. What comes back then is a
/// failure of git's; only this class knows that it is none.
/// </remarks>
internal sealed class WatchedOutput(Stream output) : Stream
{
    /// <summary>Whether the reader has gone: of a pipe, or a pager.</summary>
    public bool HasLostReader { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            output.Write(buffer);
        }
        catch (IOException)
        {
            HasLostReader = true;
            throw;
        }
    }

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await output.WriteAsync(buffer, cancellationToken);
        }
        catch (IOException)
        {
            HasLostReader = true;
            throw;
        }
    }

    public override void Flush() => output.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
