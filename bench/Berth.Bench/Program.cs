using System.Globalization;
using Berth.Bench;

if (args is ["server", var serving, var to])
{
    return await ServerAsync(Path.GetFullPath(serving), to);
}

if (args is ["redact", var page])
{
    return await RedactAsync(page);
}

// redact: how fast secrets are looked for; the Markdown file to write. server: a server under load, with a fake CLI;
// the published program and the Markdown file. local: local mode against the bare CLI. docker: local mode against
// Docker mode. start: of that only how long a running process takes to start the CLI. Then the published program, the
// CLI's binary, the Markdown file, how many runs of each, and the image.
if (args is not [var what and ("local" or "docker" or "start"), var berth, var claude, var report, .. var rest])
{
    await Console.Error.WriteLineAsync(
        "usage: Berth.Bench local|docker|start BERTH CLAUDE REPORT [RUNS [IMAGE]], "
        + "or Berth.Bench server BERTH REPORT, or Berth.Bench redact REPORT");
    return 2;
}

var runs = rest is [var count, ..] ? int.Parse(count, CultureInfo.InvariantCulture) : 20;
using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(30));
await using var ground = await Ground.PrepareAsync(
    Path.GetFullPath(berth), Path.GetFullPath(claude), rest.ElementAtOrDefault(1), stop.Token);
var table = new ReportTable();
var text = what switch { "local" => await LocalAsync(), "docker" => await DockerAsync(), _ => await StartAsync() };
await File.WriteAllTextAsync(report, text, stop.Token);
await Console.Out.WriteLineAsync(text);
return table.AllMet ? 0 : 1;

async Task<string> LocalAsync()
{
    await LocalAgainstBare.MeasureAsync(ground, runs, table, stop.Token);
    await RunningProcess.MeasureLocalAsync(ground, runs, table, stop.Token);
    await TwentyAtOnce.MeasureAsync(ground, table, stop.Token);
    await LargeRepository.MeasureAsync(ground, Math.Min(runs, 5), table, stop.Token);
    return ReportTable.Head("Local mode against the bare CLI", runs) + table.Markdown();
}

async Task<string> StartAsync()
{
    await RunningProcess.MeasureDockerAsync(ground, runs, table, stop.Token);
    return ReportTable.Head("Starting in a running process", runs) + table.Markdown();
}

async Task<string> DockerAsync()
{
    var (rows, plot) = await LocalAgainstDocker.MeasureAsync(ground, runs, table, stop.Token);
    await RunningProcess.MeasureDockerAsync(ground, runs, table, stop.Token);
    var picture = Path.ChangeExtension(report, ".svg");
    await File.WriteAllTextAsync(picture, plot, stop.Token);
    return ReportTable.Head("Local mode against Docker mode", runs)
        + $"{rows}\n![the same as bars]({Path.GetFileName(picture)})\n\n{table.Markdown()}";
}

static async Task<int> RedactAsync(string report)
{
    var table = new ReportTable();
    RedactorSpeed.Measure(table);
    var text = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Redaction

        Made by `dotnet artifacts/bin/Berth.Bench/release/Berth.Bench.dll redact docs/benchmarks/redaction.md`: 64 MB a round, on one of
        {Environment.ProcessorCount} cores, with 100 secrets of 40 characters in all their forms, which are not in the text.

        {table.MarkdownWithRatios()}
        """);
    await File.WriteAllTextAsync(report, text);
    await Console.Out.WriteLineAsync(text);
    return table.AllMet ? 0 : 1;
}

static async Task<int> ServerAsync(string berth, string report)
{
    using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(30));
    var fake = Path.Combine(AppContext.BaseDirectory, "berth-fake-claude");
    await using var ground = await Ground.PrepareAsync(berth, fake, image: null, stop.Token);
    var table = new ReportTable();
    var loads = await new ServerUnderLoad(ground, table, stop.Token).MeasureAsync();
    var text = ServerReport.Document(loads, table);
    await File.WriteAllTextAsync(report, text, stop.Token);
    await Console.Out.WriteLineAsync(text);
    return table.AllMet ? 0 : 1;
}
