using System.Text;
using Spectre.Console;

namespace Berth.Terminal;

/// <summary>A terminal: colours, lines wrapped at its width, and a status in the last row.</summary>
/// <remarks>
/// Spectre.Console wraps and colours the lines. The status is drawn here, with nothing but a return and an erase:
/// its live display would hide the cursor, and a command that is killed could not give it back.
/// </remarks>
internal sealed class TerminalScreen : IScreen
{
    private const string EraseRow = "\r\u001b[2K";

    private readonly TextWriter output;
    private readonly IAnsiConsole console;
    private readonly Func<int> width;
    private readonly bool colour;
    private string status = string.Empty;

    /// <param name="output">The terminal.</param>
    /// <param name="width">Its width, asked for each time: people change it.</param>
    /// <param name="colour">Whether colours are welcome.</param>
    public TerminalScreen(TextWriter output, Func<int> width, bool colour)
    {
        this.output = output;
        this.width = width;
        this.colour = colour;
        console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = colour ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new Rows(output, width),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
    }

    public int? Width => width();

    public void Write(Line line)
    {
        EraseStatus();
        var paragraph = new Paragraph();
        foreach (var part in line.OneRow ? Fitting(line.Parts) : line.Parts)
        {
            paragraph.Append(part.Text, StyleOf(part.Tone));
        }

        if (line.Indent > 0)
        {
            WriteIndented(line, paragraph);
        }
        else
        {
            console.Write(paragraph);
            console.WriteLine();
        }

        DrawStatus();
    }

    public void Status(string text)
    {
        EraseStatus();
        status = SafeText.Row(text);
        DrawStatus();
    }

    // The first part is the margin; the others are wrapped beside it.
    private void WriteIndented(Line line, Paragraph whole)
    {
        if (Cells.Width(line.Text) <= width() || line.Parts.Count < 2)
        {
            console.Write(whole);
            console.WriteLine();
            return;
        }

        var body = new Paragraph();
        foreach (var part in line.Parts.Skip(1))
        {
            body.Append(part.Text, StyleOf(part.Tone));
        }

        var grid = new Grid();
        grid.AddColumn(new GridColumn().Width(line.Indent).NoWrap().PadLeft(0).PadRight(0));
        grid.AddColumn(new GridColumn().PadLeft(0).PadRight(0));
        grid.AddRow(new Text(line.Parts[0].Text, StyleOf(line.Parts[0].Tone)), body);
        console.Write(grid);
    }

    private IEnumerable<Part> Fitting(IReadOnlyList<Part> parts)
    {
        var left = width();
        foreach (var part in parts)
        {
            var text = Cells.Cut(part.Text, left);
            left -= Cells.Width(text);
            yield return new Part(text, part.Tone);
            if (left <= 0)
            {
                yield break;
            }
        }
    }

    private void EraseStatus()
    {
        if (status.Length > 0)
        {
            output.Write(EraseRow);
        }
    }

    private void DrawStatus()
    {
        if (status.Length > 0)
        {
            // The last column stays free: a terminal that wraps there would make a second row of it.
            var row = Cells.Cut(status, width() - 1);
            output.Write(colour ? $"\u001b[2m{row}\u001b[0m" : row);
            output.Flush();
        }
    }

    private Style StyleOf(Tone tone) => tone switch
    {
        _ when !colour => Style.Plain,
        Tone.Faint => new Style(decoration: Decoration.Dim),
        Tone.Strong => new Style(decoration: Decoration.Bold),
        Tone.Good => new Style(Color.Green),
        Tone.Warning => new Style(Color.Olive),
        Tone.Bad => new Style(Color.Maroon),
        _ => Style.Plain,
    };

    private sealed class Rows(TextWriter writer, Func<int> width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => width();

        public int Height => 24;

        public void SetEncoding(Encoding encoding)
        {
            // The writer has its encoding.
        }
    }
}
