using System.Text.Json;

namespace Berth.Bench;

/// <summary>
/// One run after another: what Berth adds to the CLI's own time, before it starts, after it ended, and in all.
/// </summary>
internal static class LocalAgainstBare
{
    private const double MaxAbove = 600;
    private const double MaxSupervisorMiB = 30;
    private const double MiB = 1024 * 1024;

    public static async Task MeasureAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        // Warm: the mirror is made, files are in the page cache.
        await ground.RunBareAsync("warm", cancel);
        await ground.RunBerthAsync(cancel);
        var bare = new List<double>();
        var whole = new List<double>();
        var before = new List<double>();
        var after = new List<double>();
        var memory = new List<double>();
        for (var i = 0; i < runs; i++)
        {
            bare.Add(await ground.RunBareAsync($"run{i}", cancel));
            var (milliseconds, run) = await ground.RunBerthAsync(cancel);
            whole.Add(milliseconds);
            var phases = run.GetProperty("phasesMs");
            before.Add(Sum(phases, "prepare", "start"));
            after.Add(Sum(phases, "capture", "deliver", "cleanup"));
            memory.Add(await SupervisorMiBAsync(ground, run.GetProperty("id").GetString()!, cancel));
        }

        table.Tell("Berth before the CLI starts (prepare + start), one-shot", ReportTable.Median(before), "ms");
        table.Tell("the same, p95", ReportTable.Percentile(before, 0.95), "ms");
        table.Tell("Berth after the CLI ended (capture + deliver + clean-up)", ReportTable.Median(after), "ms");
        table.Tell("the same, p95", ReportTable.Percentile(after, 0.95), "ms");
        table.Tell("bare CLI, whole", ReportTable.Median(bare), "ms");
        table.Tell("one-shot `berth run`, whole", ReportTable.Median(whole), "ms");
        table.AtMost(
            "one-shot `berth run` above the bare CLI",
            ReportTable.Median(whole.Zip(bare, (a, b) => a - b)),
            MaxAbove,
            "ms");
        table.Tell(
            "ratio `berth run` / bare CLI, pair by pair",
            ReportTable.Median(whole.Zip(bare, (a, b) => a / b)),
            string.Empty);
        table.AtMost("peak memory of the supervisor", memory.Max(), MaxSupervisorMiB, "MiB");
    }

    private static double Sum(JsonElement phases, params ReadOnlySpan<string> names)
    {
        double sum = 0;
        foreach (var name in names)
        {
            sum += phases.GetProperty(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : 0;
        }

        return sum;
    }

    private static async Task<double> SupervisorMiBAsync(Ground ground, string id, CancellationToken cancel)
    {
        var exit = await File.ReadAllTextAsync(
            Path.Combine(ground.Environment["BERTH_HOME"], "runs", id, "exit.json"),
            cancel);
        return JsonDocument.Parse(exit).RootElement.GetProperty("supervisorPeakBytes").GetDouble() / MiB;
    }
}
