using System.Buffers;
using Berth.Protocol;

namespace Berth.Server.Api;

/// <summary>An answer on its way out, redacted once more. What could be the beginning of a secret is held back until
/// more comes, or until it is flushed.</summary>
internal sealed class RedactedStream(Stream inner, Redactor redactor) : Stream
{
    private const int Piece = 64 * 1024;
    private readonly ArrayBufferWriter<byte> waiting = new();
    private readonly ArrayBufferWriter<byte> scratch = new();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var taken = buffer[..Math.Min(buffer.Length, Piece)];
            waiting.Write(taken.Span);
            buffer = buffer[taken.Length..];
            if (waiting.WrittenCount >= Math.Max(Piece, 2 * redactor.Longest))
            {
                await LetGoAsync(redactor.SafeCut(waiting.WrittenSpan), cancellationToken);
            }
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A server writes without blocking.");

    /// <summary>Lets go all that was written so far.</summary>
    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await LetGoAsync(waiting.WrittenCount, cancellationToken);
        await inner.FlushAsync(cancellationToken);
    }

    public override void Flush()
    {
        // Asked for at the disposal of what wrote here; the answer's end lets go what is left.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async Task LetGoAsync(int count, CancellationToken cancel)
    {
        if (count == 0)
        {
            return;
        }

        // Copied, for what is held back moves to the front of the same memory.
        var piece = redactor.Redact(waiting.WrittenSpan[..count], scratch).ToArray();
        var rest = waiting.WrittenSpan[count..].ToArray();
        waiting.ResetWrittenCount();
        waiting.Write(rest);
        await inner.WriteAsync(piece, cancel);
    }
}
