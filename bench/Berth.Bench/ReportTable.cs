using System.Globalization;
using System.Text;

namespace Berth.Bench;

/// <summary>
/// Measured values against their goals, as a table of Markdown. Ratios and shares, for machines differ.
/// </summary>
internal sealed class ReportTable
{
    private readonly List<(string What, string Measured, string Goal, bool? Met, double Ratio)> rows = [];

    /// <summary>Whether no goal was missed.</summary>
    public bool AllMet => rows.TrueForAll(row => row.Met is not false);

    /// <summary>The value below which a share of the samples lies.</summary>
    public static double Percentile(IEnumerable<double> samples, double share)
    {
        var sorted = samples.Order().ToList();
        return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Count) - 1, 0, sorted.Count - 1)];
    }

    public static double Median(IEnumerable<double> samples) => Percentile(samples, 0.5);

    /// <summary>A value that has a goal: at most so much.</summary>
    public void AtMost(string what, double value, double goal, string unit) =>
        rows.Add((what, Text(value, unit), "at most " + Text(goal, unit), value <= goal, goal / value));

    /// <summary>A value that is only told.</summary>
    public void Tell(string what, double value, string unit) => 
        rows.Add((what, Text(value, unit), string.Empty, null, double.NaN));

    /// <summary>What stands above the tables.</summary>
    public static string Head(string title, int runs) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # {title}

        Made by `bench/Berth.Bench`: {runs} runs of each, in turn, on one machine with
        {Environment.ProcessorCount} cores; the real CLI, the scripted model on loopback, a repository of one file, one tool call. Medians, unless
        p95 is said.


        """);

    /// <summary>The table.</summary>
    public string Markdown()
    {
        var text = new StringBuilder();
        text.AppendLine("| what | measured | goal | met |").AppendLine("|---|---:|---:|---|");
        foreach (var (what, measured, goal, met, _) in rows)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"| {what} | {measured} | {goal} | {(met is { } yes ? (yes ? "yes" : "**no**") : string.Empty)} |");
        }

        return text.ToString();
    }

    /// <summary>The table with how many times over each goal is met, which machines differ less in.</summary>
    public string MarkdownWithRatios()
    {
        var text = new StringBuilder();
        text.AppendLine("| what | measured | goal | goal / measured |").AppendLine("|---|---:|---:|---:|");
        foreach (var (what, measured, goal, met, ratio) in rows)
        {
            var times = met is null || !double.IsFinite(ratio) ? string.Empty
                : ratio.ToString(ratio < 1 ? "0.00" : ratio < 10 ? "0.0" : "0", CultureInfo.InvariantCulture);
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"| {what} | {measured} | {goal} | {(met is false ? $"**{times}**" : times)} |");
        }

        return text.ToString();
    }

    private static string Text(double value, string unit) =>
        value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture) + (unit.Length > 0
            ? " " + unit
            : string.Empty);
}
