using System.Buffers.Text;

namespace Berth.Terminal;

/// <summary>Says which colour a line of a diff has: that of git, where nobody has set others.</summary>
/// <remarks>
/// It counts the lines of each hunk, as git and patch do: a line that begins with <c>--- </c> is the head of a file, or
/// a line taken away that began with two dashes, and only the count tells which.
/// </remarks>
internal sealed class DiffColours
{
    /// <summary>Ends a colour.</summary>
    public const string Reset = "\u001b[m";

    private const string Meta = "\u001b[1m";
    private const string Hunk = "\u001b[36m";
    private const string Old = "\u001b[31m";
    private const string New = "\u001b[32m";

    private long oldLeft;
    private long newLeft;

    /// <summary>The colour of the next line, or null; only its beginning has to be given.</summary>
    public string? Of(ReadOnlySpan<byte> line)
    {
        if (oldLeft > 0 || newLeft > 0)
        {
            switch (line.IsEmpty ? ' ' : (char)line[0])
            {
                case '+':
                    newLeft--;
                    return New;
                case '-':
                    oldLeft--;
                    return Old;
                case ' ':
                    (oldLeft, newLeft) = (oldLeft - 1, newLeft - 1);
                    return null;
                case '\\':
                    return null;
                default:
                    (oldLeft, newLeft) = (0, 0);
                    break;
            }
        }

        if (line.StartsWith("@@ -"u8) && Counts(line) is var (removed, added))
        {
            (oldLeft, newLeft) = (removed, added);
            return Hunk;
        }

        return IsMeta(line) ? Meta : null;
    }

    private static bool IsMeta(ReadOnlySpan<byte> line) =>
        line.StartsWith("diff "u8) || line.StartsWith("index "u8) || line.StartsWith("--- "u8)
        || line.StartsWith("+++ "u8) || line.StartsWith("old mode "u8) || line.StartsWith("new mode "u8)
        || line.StartsWith("new file "u8) || line.StartsWith("deleted file "u8) || line.StartsWith("similarity "u8)
        || line.StartsWith("dissimilarity "u8) || line.StartsWith("rename "u8) || line.StartsWith("copy "u8);

    // @@ -12,3 +14 @@: a count that is not there is one.
    private static (long Old, long New)? Counts(ReadOnlySpan<byte> line)
    {
        var plus = line.IndexOf(" +"u8);
        var end = line.IndexOf(" @@"u8);
        return plus > 0 && end > plus
            && Count(line[4..plus]) is { } removed && Count(line[(plus + 2)..end]) is { } added
            ? (removed, added)
            : null;
    }

    private static long? Count(ReadOnlySpan<byte> range)
    {
        var comma = range.IndexOf((byte)',');
        var digits = range[(comma + 1)..];
        return comma < 0 ? 1
            : Utf8Parser.TryParse(digits, out uint count, out var read) && read == digits.Length ? count
            : null;
    }
}
