namespace Berth.Supervisor;

/// <summary>Finds out, a piece at a time, whether a line is a JSON object whose own <c>type</c> is
/// <c>result</c>.</summary>
/// <remarks>The key may stand anywhere: in the real CLI's results it is the nineteenth, after the text of the
/// answer.</remarks>
internal sealed class ResultDetector
{
    private const int LongestWord = 8;
    private readonly byte[] word = new byte[LongestWord];
    private int wordLength;
    private int depth;
    private bool inString;
    private bool escaped;
    private bool isKey;
    private bool isTypeValue;

    /// <summary>What is known so far; null while it is open.</summary>
    internal bool? IsResult { get; private set; }

    /// <summary>Whether a whole line is a result.</summary>
    internal static bool Test(ReadOnlySpan<byte> line)
    {
        if (line.IndexOf("\"result\""u8) < 0)
        {
            return false;
        }

        var detector = new ResultDetector();
        detector.Feed(line);
        return detector.IsResult == true;
    }

    /// <summary>Goes on with the next piece of the line.</summary>
    internal void Feed(ReadOnlySpan<byte> bytes)
    {
        for (var i = 0; i < bytes.Length && IsResult is null; i++)
        {
            if (inString)
            {
                i += SkipText(bytes[i..]);
                if (i < bytes.Length)
                {
                    StringByte(bytes[i]);
                }
            }
            else
            {
                StructureByte(bytes[i]);
            }
        }
    }

    // Most of a long line is the inside of one string that is neither our key nor its value.
    private int SkipText(ReadOnlySpan<byte> bytes)
    {
        if (escaped || (depth == 1 && (isKey || isTypeValue)))
        {
            return 0;
        }

        var next = bytes.IndexOfAny((byte)'"', (byte)'\\');
        return next < 0 ? bytes.Length : next;
    }

    private void StringByte(byte value)
    {
        if (escaped)
        {
            escaped = false;
            wordLength = LongestWord + 1;
        }
        else if (value == '\\')
        {
            escaped = true;
        }
        else if (value == '"')
        {
            EndString();
        }
        else if (wordLength < LongestWord)
        {
            word[wordLength++] = value;
        }
        else
        {
            wordLength = LongestWord + 1;
        }
    }

    private void EndString()
    {
        inString = false;
        if (depth != 1)
        {
            return;
        }

        var text = wordLength <= LongestWord ? word.AsSpan(0, wordLength) : [];
        if (isTypeValue)
        {
            IsResult = text.SequenceEqual("result"u8);
        }
        else if (isKey)
        {
            isTypeValue = text.SequenceEqual("type"u8);
            isKey = false;
        }
    }

    private void StructureByte(byte value)
    {
        switch (value)
        {
            case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)':':
                return;
            case (byte)'{' or (byte)'[' when depth > 0 || value == '{':
                // The value of our key is no string: it is not a result.
                IsResult = isTypeValue ? false : null;
                depth++;
                isKey = depth == 1;
                return;
            case (byte)'"' when depth > 0:
                inString = true;
                wordLength = 0;
                return;
            case (byte)',' when depth == 1:
                isKey = true;
                isTypeValue = false;
                return;
            case (byte)'}' or (byte)']' when depth > 1:
                depth--;
                isKey = false;
                return;
            case (byte)'}' or (byte)']':
                IsResult = false;
                return;
            default:
                IsResult = depth == 0 ? false : null;
                return;
        }
    }
}
