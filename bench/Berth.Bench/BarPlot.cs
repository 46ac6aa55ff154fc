using System.Globalization;
using System.Text;

namespace Berth.Bench;

/// <summary>Groups of horizontal bars, as SVG.</summary>
internal static class BarPlot
{
    private const int BarHeight = 16;
    private const int Gap = 14;
    private const int Left = 200;
    private const int Width = 760;
    private const int LabelWidth = 90;
    private static readonly string[] Colours = ["#9aa0a6", "#1a73e8", "#c5b28e", "#e8710a"];

    /// <summary>Draws them.</summary>
    /// <param name="title">Above all.</param>
    /// <param name="names">Of the bars of each group, in order; at most four.</param>
    /// <param name="groups">Each with a name and as many values as there are names.</param>
    /// <param name="unit">Of the values.</param>
    public static string Draw(
        string title, IReadOnlyList<string> names, IReadOnlyList<(string Name, IReadOnlyList<double> Values)> groups,
        string unit)
    {
        var most = groups.SelectMany(group => group.Values).Max();
        var svg = new StringBuilder();
        var y = 64;
        foreach (var (name, values) in groups)
        {
            Text(svg, Left - 8, y + (values.Count * BarHeight / 2) + 4, name, "end");
            for (var i = 0; i < values.Count; i++, y += BarHeight)
            {
                var length = values[i] / most * (Width - Left - LabelWidth);
                Bar(svg, (Left, y), (length, BarHeight - 2), Colours[i]);
                Text(svg, Left + length + 5, y + BarHeight - 4, Number(values[i], unit), "start");
            }

            y += Gap;
        }

        var head = new StringBuilder();
        head.Append("<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" ")
            .AppendLine(CultureInfo.InvariantCulture, $"viewBox=\"0 0 {Width} {y}\">");
        head.AppendLine("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>");
        Text(head, 12, 22, title, "start");
        for (var i = 0; i < names.Count; i++)
        {
            var x = 12 + (i * 180);
            Bar(head, (x, 34), (12, 12), Colours[i]);
            Text(head, x + 18, 45, names[i].Replace("`", "", StringComparison.Ordinal), "start");
        }

        return head.Append(svg).AppendLine("</svg>").ToString();
    }

    private static void Text(StringBuilder svg, double x, double y, string text, string anchor) =>
        svg.AppendLine(CultureInfo.InvariantCulture,
            $"<text x=\"{x:0.0}\" y=\"{y:0.0}\" text-anchor=\"{anchor}\">{text}</text>");

    private static void Bar(StringBuilder svg, (double X, double Y) at, (double X, double Y) size, string colour) =>
        svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{at.X:0.0}\" y=\"{at.Y:0.0}\" width=\"{size.X:0.0}\" ")
            .AppendLine(CultureInfo.InvariantCulture, $"height=\"{size.Y:0.0}\" fill=\"{colour}\"/>");

    private static string Number(double value, string unit) =>
        value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture) + " " + unit;
}
