using System.Diagnostics.CodeAnalysis;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Berth.Terminal;

/// <summary>The three streams of a command.</summary>
internal sealed record StandardStreams
{
    private const int DefaultWidth = 80;
    private const int Narrowest = 20;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    public required Stream Input { get; init; }

    public bool InputIsTerminal { get; init; }

    /// <summary>Standard output as bytes, for what is handed on exactly as it is. Unbuffered.</summary>
    public required Stream RawOutput { get; init; }

    /// <summary>Standard output as text; each write goes out at once.</summary>
    public required TextWriter Output { get; init; }

    public bool OutputIsTerminal { get; init; }

    /// <summary>Standard error as text; each write goes out at once.</summary>
    public required TextWriter Error { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>The terminal's width in columns.</summary>
    public Func<int> Width { get; init; } = () => DefaultWidth;

    /// <summary>Those of this process.</summary>
    public static StandardStreams OfThisProcess()
    {
        var output = Open(1);
        return new StandardStreams
        {
            Input = Console.OpenStandardInput(),
            InputIsTerminal = !Console.IsInputRedirected,
            RawOutput = output,
            Output = Writer(output),
            OutputIsTerminal = !Console.IsOutputRedirected,
            Error = Writer(new ErrorOutput(Open(2))),
            ErrorIsTerminal = !Console.IsErrorRedirected,
            Width = ConsoleWidth,
        };
    }

    private static StreamWriter Writer(Stream stream) => new(stream, Utf8) { AutoFlush = true, NewLine = "\n" };

    // The console's own stream says nothing when the reader of a pipe has gone, and a command that follows a run
    // would go on for nobody. A file stream says it; but it keeps a position of its own in files, which output and
    // error may share.
    [SuppressMessage("Reliability", "CA2000", Justification = "They live as long as the process.")]
    private static Stream Open(int descriptor)
    {
        try
        {
            var handle = new SafeFileHandle(descriptor, ownsHandle: false);
            var stream = new FileStream(handle, FileAccess.Write, bufferSize: 0);
            if (!stream.CanSeek)
            {
                return stream;
            }
        }
        catch (Exception unusual) when (unusual is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Closed, or not for writing: the console's stream takes that as it comes.
        }

        return descriptor == 1 ? Console.OpenStandardOutput() : Console.OpenStandardError();
    }

    private static int ConsoleWidth()
    {
        var width = Console.WindowWidth;
        return width > 0 ? Math.Max(width, Narrowest) : DefaultWidth;
    }
}
