using System.Diagnostics;

namespace Berth.Bench;

/// <summary>Twenty at once, on one home and one repository, against twenty bare CLIs at once.</summary>
internal static class TwentyAtOnce
{
    private const int Count = 20;

    public static async Task MeasureAsync(Ground ground, ReportTable table, CancellationToken cancel)
    {
        var bare = await TimeAsync(i => ground.RunBareAsync($"many{i}", cancel));
        var berth = await TimeAsync(_ => ground.RunBerthAsync(cancel));
        table.Tell("20 bare CLIs at once, until the last has ended", bare, "ms");
        table.Tell("20 `berth run` at once, until the last has ended", berth, "ms");
        table.Tell("ratio of the two", berth / bare, string.Empty);
    }

    private static async Task<double> TimeAsync(Func<int, Task> run)
    {
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Count).Select(run));
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }
}
