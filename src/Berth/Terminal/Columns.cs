namespace Berth.Terminal;

/// <summary>A table: a row of names, and rows whose cells stand under them.</summary>
internal sealed class Columns(params IReadOnlyList<string> names)
{
    private const int Gap = 2;
    private const int Narrowest = 6;

    private readonly List<IReadOnlyList<Part>> rows = [];

    /// <summary>Adds a row; one cell for each column.</summary>
    public void Add(params IReadOnlyList<Part> cells) => rows.Add(cells);

    /// <summary>Shows the table. On a terminal the widest columns give way until a row fits.</summary>
    public void Show(IScreen screen)
    {
        IReadOnlyList<Part> head = [.. names.Select(name => new Part(name, Tone.Faint))];
        var all = rows.Prepend(head).ToList();
        var widths = names.Select((_, column) => all.Max(row => Cells.Width(row[column].Text))).ToArray();
        var room = (screen.Width ?? int.MaxValue) - (Gap * (widths.Length - 1));
        while (widths.Sum() > room && widths.Max() > Narrowest)
        {
            widths[Array.IndexOf(widths, widths.Max())]--;
        }

        foreach (var row in all)
        {
            var cells = row.Select((cell, column) => Cell(cell, widths[column], last: column == row.Count - 1));
            screen.Write(new Line([.. cells]) { OneRow = true });
        }
    }

    private static Part Cell(Part cell, int width, bool last)
    {
        var text = Cells.Cut(cell.Text, width);
        return new Part(last ? text : Cells.Fill(text, width + Gap), cell.Tone);
    }
}
