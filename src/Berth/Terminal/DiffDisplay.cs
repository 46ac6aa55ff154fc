using System.Buffers;
using System.Globalization;
using System.Text;

namespace Berth.Terminal;

/// <summary>A diff on its way to a person: the same bytes, coloured, and nothing that steers a terminal.</summary>
/// <remarks>
/// <para>
/// What a file holds is the agent's, and git hands it to the terminal as it is: escape sequences retitle the window,
/// paint lines away, write the clipboard; direction marks make one text look like another. A pager does not help, for
/// <c>less -R</c>, which colours need, lets the agent's colours through as well. So what is shown has control
/// characters as <c>^[</c>, and other characters of that kind as <c>&lt;U+202E&gt;</c>, the way less shows them.
/// </para>
/// <para>
/// All else stays as it is, tabs and trailing blanks too, and no line is wrapped or cut: what is copied from the screen
/// is a patch. A diff with control characters is none then; <see cref="Changed"/> counts them, so that it can be said.
/// A pipe or a file gets the bytes of git and does not come through here.
/// </para>
/// </remarks>
/// <param name="output">The terminal, or a pager's input.</param>
/// <param name="colours">Chooses the colours; null for none.</param>
internal sealed class DiffDisplay(Stream output, DiffColours? colours) : Stream
{
    // A line is looked at in pieces of this size; its beginning, which says what it is, is in the first.
    private const int PieceBytes = 8 * 1024;

    // The longest character, and a carriage return that may be the line's end.
    private const int KeptBack = 5;
    private const int SendBytes = 16 * 1024;
    private const byte LineFeed = (byte)'\n';
    private const byte Return = (byte)'\r';

    private readonly byte[] piece = new byte[PieceBytes];
    private readonly ArrayBufferWriter<byte> ready = new(SendBytes * 2);
    private int filled;
    private bool isBegun;
    private string? colour;

    /// <summary>How many characters were shown as something else.</summary>
    public long Changed { get; private set; }

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
        foreach (var value in buffer)
        {
            if (value == LineFeed)
            {
                Show(filled, isEnd: true);
                filled = 0;
            }
            else
            {
                piece[filled++] = value;
                if (filled == PieceBytes)
                {
                    MakeRoom();
                }
            }
        }

        if (ready.WrittenCount >= SendBytes)
        {
            Send();
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <summary>Shows what there is. A line without an end is shown when all is said: <see cref="Complete"/>.</summary>
    public override void Flush() => Send();

    /// <summary>Shows the rest.</summary>
    public void Complete()
    {
        if (filled > 0)
        {
            Show(filled, isEnd: false);
            EndColour();
            filled = 0;
        }

        Send();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void Send()
    {
        output.Write(ready.WrittenSpan);
        output.Flush();
        ready.ResetWrittenCount();
    }

    // A long line goes out in pieces, and no character is cut in two.
    private void MakeRoom()
    {
        var cut = PieceBytes - KeptBack;
        while (cut > PieceBytes - (2 * KeptBack) && (piece[cut] & 0xc0) == 0x80)
        {
            cut--;
        }

        Show(cut, isEnd: false);
        piece.AsSpan(cut).CopyTo(piece);
        filled = PieceBytes - cut;
        if (ready.WrittenCount >= SendBytes)
        {
            Send();
        }
    }

    private void Show(int count, bool isEnd)
    {
        var bytes = piece.AsSpan(0, count);
        if (!isBegun)
        {
            isBegun = true;
            colour = colours?.Of(bytes);
            Put(colour);
        }

        // A file with the line ends of Windows: at the end of a line this moves nothing.
        var hasReturn = isEnd && bytes is [.., Return];
        Escape(hasReturn ? bytes[..^1] : bytes);
        if (!isEnd)
        {
            return;
        }

        EndColour();
        ready.Write(hasReturn ? "\r\n"u8 : "\n"u8);
        isBegun = false;
    }

    private void EndColour()
    {
        Put(colour is null ? null : DiffColours.Reset);
        colour = null;
    }

    private void Escape(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            // Most of a diff is plain, and goes as it is.
            var plain = bytes.IndexOfAnyExceptInRange((byte)' ', (byte)'~');
            ready.Write(plain < 0 ? bytes : bytes[..plain]);
            if (plain < 0)
            {
                return;
            }

            bytes = bytes[plain..];
            var isWhole = Rune.DecodeFromUtf8(bytes, out var rune, out var length) == OperationStatus.Done;
            length = isWhole ? length : 1;
            if (Shown(isWhole ? rune : null, bytes[0]) is { } shown)
            {
                Changed++;
                Put(shown);
            }
            else
            {
                ready.Write(bytes[..length]);
            }

            bytes = bytes[length..];
        }
    }

    // Null where it may go as it is.
    private static string? Shown(Rune? character, byte first) => character is not { Value: var value }
        ? first is >= 0x80 and <= 0x9f ? $"<{Hex(first, 2)}>" : null
        : value switch
        {
            '\t' => null,
            < 0x20 => $"^{(char)(value + '@')}",
            0x7f => "^?",
            >= 0x80 and <= 0x9f
                or 0x61c or 0x200e or 0x200f or (>= 0x2028 and <= 0x202e) or (>= 0x2066 and <= 0x2069)
                or (>= 0xfff9 and <= 0xfffb) or (>= 0xe0000 and <= 0xe007f) => $"<U+{Hex(value, 4)}>",
            _ => null,
        };

    private static string Hex(int value, int digits) =>
        value.ToString($"X{digits}", CultureInfo.InvariantCulture);

    private void Put(string? text)
    {
        if (text is not null)
        {
            Encoding.UTF8.GetBytes(text, ready);
        }
    }
}
