using System.Globalization;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Workflows;

/// <summary>
/// A text file of a workflow: bounded, strictly UTF-8, and able to say at which place something is wrong.
/// </summary>
internal sealed class WorkflowText
{
    private static readonly UTF8Encoding Strict =
        new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private WorkflowText(string file, string content)
    {
        File = file;
        Content = content;
    }

    /// <summary>The path, for people.</summary>
    public string File { get; }

    /// <summary>The text, without a byte order mark.</summary>
    public string Content { get; }

    /// <summary>Reads a file, or gives null where there is none.</summary>
    /// <exception cref="FailureException">
    /// <c>workflow_invalid</c>: it cannot be read, is too large, or is not text.
    /// </exception>
    public static WorkflowText? Read(string file, int maxBytes)
    {
        if (Directory.Exists(file))
        {
            throw Invalid(file, "expected a file, found a folder");
        }

        // A pipe or a device has no length and is never opened: opening it might wait for ever.
        var length = LengthOf(file);
        return length switch
        {
            null => null,
            0 => new WorkflowText(file, string.Empty),
            _ => Of(file, Bytes(file, maxBytes), maxBytes),
        };
    }

    /// <summary>Takes bytes as the content of a file.</summary>
    /// <exception cref="FailureException"><c>workflow_invalid</c>: too large, or not text.</exception>
    public static WorkflowText Of(string file, ReadOnlySpan<byte> bytes, int maxBytes)
    {
        if (bytes.Length > maxBytes)
        {
            var bound = string.Create(CultureInfo.InvariantCulture, $"expected at most {maxBytes} bytes, found more");
            throw Invalid(file, bound);
        }

        var text = bytes.StartsWith(Encoding.UTF8.Preamble) ? bytes[Encoding.UTF8.Preamble.Length..] : bytes;
        try
        {
            var whole = new WorkflowText(file, Strict.GetString(text));
            var nul = whole.Content.IndexOf('\0', StringComparison.Ordinal);
            return nul < 0 ? whole : throw whole.Refuse(nul, "expected text, found a NUL character");
        }
        catch (DecoderFallbackException wrong)
        {
            var good = text[..Math.Clamp(wrong.Index, 0, text.Length)];
            var before = new WorkflowText(file, Encoding.UTF8.GetString(good));
            throw before.Refuse(before.Content.Length, "expected UTF-8, found bytes that are none");
        }
    }

    /// <summary>The failure for a place in the text, given as an index into <see cref="Content"/>.</summary>
    public FailureException Refuse(int index, string problem)
    {
        var before = Content.AsSpan(0, Math.Clamp(index, 0, Content.Length));
        var line = before.Count('\n') + 1;
        var column = before.Length - before.LastIndexOf('\n');
        return Invalid(string.Create(CultureInfo.InvariantCulture, $"{File}:{line}:{column}"), problem);
    }

    /// <summary>The failure for a file, or for a place in one, of a workflow that is not valid.</summary>
    public static FailureException Invalid(string place, string problem, Exception? inner = null) => new(
        "workflow_invalid",
        $"The workflow cannot be used. {place}: {problem}.",
        "Mend the file; `berth workflows` then shows whether the workflow is valid.",
        Fault.User,
        inner);

    private static long? LengthOf(string file)
    {
        if (Descriptor.IsMissing(file))
        {
            return null;
        }

        try
        {
            // A link has a length of its own; what counts is what it leads to.
            var target = System.IO.File.ResolveLinkTarget(file, returnFinalTarget: true);
            return new FileInfo(target?.FullName ?? file).Length;
        }
        catch (Exception wrong) when (wrong is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, wrong);
        }
    }

    private static byte[] Bytes(string file, int maxBytes)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);

            // One more than may be: the file may have grown since it was measured, and is then refused.
            var bytes = new byte[maxBytes + 1];
            var count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return bytes[..count];
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, wrong);
        }
    }

    private static FailureException Unreadable(string file, Exception wrong) =>
        Invalid(file, $"expected a file that can be read; reading it gave: {wrong.Message}", wrong);
}
