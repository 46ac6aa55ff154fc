using Berth.Bench;

// berth-bench BERTH CLAUDE REPORT [RUNS]: the published program, the CLI's binary, the Markdown file to write, how many
// runs of each.
if (args is not [var berth, var claude, var report, .. var rest])
{
    await Console.Error.WriteLineAsync("usage: Berth.Bench BERTH CLAUDE REPORT [RUNS]");
    return 2;
}

var runs = rest is [var count] ? int.Parse(count, System.Globalization.CultureInfo.InvariantCulture) : 20;
using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(30));
await using var ground = await Ground.PrepareAsync(Path.GetFullPath(berth), Path.GetFullPath(claude), stop.Token);
var table = new ReportTable();
await LocalAgainstBare.MeasureAsync(ground, runs, table, stop.Token);
await RunningProcess.MeasureAsync(ground, runs, table, stop.Token);
await TwentyAtOnce.MeasureAsync(ground, table, stop.Token);
await LargeRepository.MeasureAsync(ground, Math.Min(runs, 5), table, stop.Token);
await File.WriteAllTextAsync(report, table.Markdown(runs), stop.Token);
await Console.Out.WriteLineAsync(table.Markdown(runs));
return table.AllMet ? 0 : 1;
