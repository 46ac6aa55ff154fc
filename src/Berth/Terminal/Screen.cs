namespace Berth.Terminal;

/// <summary>Where lines for people go.</summary>
internal interface IScreen
{
    /// <summary>How many columns there are; null where the output is not a terminal and nothing is cut.</summary>
    int? Width { get; }

    /// <summary>Shows a line, above the status.</summary>
    void Write(Line line);

    /// <summary>
    /// Shows what goes on just now, in place of what was shown before; an empty one takes it away. Not on paper.
    /// </summary>
    void Status(string text);
}

/// <summary>A file or a pipe: plain lines, no colour, no control sequences, no status.</summary>
internal sealed class PlainScreen(TextWriter output) : IScreen
{
    public int? Width => null;

    public void Write(Line line) => output.Write(line.Text.TrimEnd() + "\n");

    public void Status(string text)
    {
        // What is written to a pipe stays, so that what is true for a second only has no place in it.
    }
}

/// <summary>Shows nothing: <c>--quiet</c>.</summary>
internal sealed class SilentScreen : IScreen
{
    public int? Width => null;

    public void Write(Line line)
    {
        // Asked to be quiet.
    }

    public void Status(string text)
    {
        // Asked to be quiet.
    }
}
