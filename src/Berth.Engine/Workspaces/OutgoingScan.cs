using System.Buffers;
using System.Globalization;
using System.Text;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Looks for secrets in all that a push sends, as git writes it: commits with their messages and people, the
/// names of files, and every line that is added.</summary>
/// <remarks>A long line is looked at in pieces that overlap by the longest form of a secret. What is found is told by
/// its place; a name that is itself a secret is redacted.</remarks>
internal sealed class OutgoingScan(Redactor secrets) : Stream
{
    private const int MostFinds = 20;
    private const int LongestPiece = 1024 * 1024;
    private const int ShaLength = 10;

    private readonly ArrayBufferWriter<byte> line = new();
    private readonly List<string> finds = [];
    private Part part = Part.Message;
    private string commit = string.Empty;
    private string file = string.Empty;
    private bool lineIsFound;
    private bool lineIsBegun;
    private long number;
    private long removedLeft;
    private long addedLeft;

    private enum Part
    {
        Message,
        Header,
        Removed,
        Added,
    }

    /// <summary>Where secrets are, at most so many places.</summary>
    public IReadOnlyList<string> Finds => finds;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        for (var end = buffer.IndexOf((byte)'\n'); end >= 0; end = buffer.IndexOf((byte)'\n'))
        {
            Take(buffer[..end]);
            EndLine();
            buffer = buffer[(end + 1)..];
        }

        Take(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    public override void Flush()
    {
        // Nothing is kept back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private void Take(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            var taken = piece[..Math.Min(piece.Length, LongestPiece)];
            line.Write(taken);
            piece = piece[taken.Length..];
            if (line.WrittenCount > LongestPiece + secrets.Longest)
            {
                Begin();
                Look();
                byte[] end = [.. line.WrittenSpan[^Math.Min(secrets.Longest, line.WrittenCount)..]];
                line.ResetWrittenCount();
                line.Write(end);
            }
        }
    }

    private void EndLine()
    {
        Begin();
        Look();
        (lineIsBegun, lineIsFound) = (false, false);
        line.ResetWrittenCount();
    }

    // By its first bytes a line says what it is; within a hunk only the count does, for a file may hold anything.
    private void Begin()
    {
        if (lineIsBegun)
        {
            return;
        }

        lineIsBegun = true;
        var text = line.WrittenSpan;
        if (text.StartsWith("\0c"u8))
        {
            (part, file) = (Part.Message, string.Empty);
            commit = Encoding.ASCII.GetString(text[2..Math.Min(text.Length, 2 + ShaLength)]);
        }
        else if (text.StartsWith("\0d"u8))
        {
            part = Part.Header;
        }
        else if (part != Part.Message)
        {
            part = PartOf(text);
        }
    }

    private Part PartOf(ReadOnlySpan<byte> text)
    {
        if (removedLeft > 0 && text.StartsWith("-"u8))
        {
            removedLeft--;
            return Part.Removed;
        }

        if (addedLeft > 0 && text.StartsWith("+"u8))
        {
            addedLeft--;
            number++;
            return Part.Added;
        }

        if (text.StartsWith("+++ "u8))
        {
            file = Encoding.UTF8.GetString(text[4..]).Trim('"');
            file = file.StartsWith("b/", StringComparison.Ordinal) ? file[2..] : file;
        }
        else if (text.StartsWith("@@ "u8))
        {
            ReadHunk(Encoding.UTF8.GetString(text));
        }

        return Part.Header;
    }

    // @@ -FIRST[,COUNT] +FIRST[,COUNT] @@
    private void ReadHunk(string text)
    {
        var words = text.Split(' ', 4);
        (_, removedLeft) = Range(words[1]);
        (number, addedLeft) = Range(words[2]);
        number--;
    }

    private static (long First, long Count) Range(string word)
    {
        var numbers = word[1..].Split(',');
        return (long.Parse(numbers[0], CultureInfo.InvariantCulture),
            numbers.Length > 1 ? long.Parse(numbers[1], CultureInfo.InvariantCulture) : 1);
    }

    private void Look()
    {
        if (lineIsFound || part == Part.Removed || finds.Count >= MostFinds || !secrets.Finds(line.WrittenSpan))
        {
            return;
        }

        lineIsFound = true;
        var place = part switch
        {
            Part.Message => $"the message or people of commit {commit}",
            Part.Header => $"the name of a file of commit {commit}",
            _ => string.Create(CultureInfo.InvariantCulture, $"{secrets.Redact(file)}:{number} (commit {commit})"),
        };
        if (!finds.Contains(place, StringComparer.Ordinal))
        {
            finds.Add(place);
        }
    }
}
