using System.Globalization;
using Berth.Bench;

if (args is ["server", var serving, var to])
{
    return await ServerAsync(Path.GetFullPath(serving), to);
}

if (args is ["waiting", var now, var earlier, var cli, var told])
{
    return await WaitingAsync([now, earlier], cli, told);
}

if (args is ["redact", var page])
{
    return await RedactAsync(page);
}

// redact: how fast secrets are looked for; the Markdown file to write. server: a server under load, with a fake CLI;
// the published program and the Markdown file. local: local mode against the bare CLI. docker: local mode against
// Docker mode. start: of that only how long a running process takes to start the CLI. Then the published program, the
// CLI's binary, the Markdown file, how many runs of each, and the image. waiting: what fifty runs cost that wait; two
// published programs, the CLI's binary, and the Markdown file.
if (args is not [var what and ("local" or "docker" or "start"), var berth, var claude, var report, .. var rest])
{
    await Console.Error.WriteLineAsync(
        "usage: Berth.Bench local|docker|start BERTH CLAUDE REPORT [RUNS [IMAGE]], "
        + "or Berth.Bench server BERTH REPORT, or Berth.Bench redact REPORT, "
        + "or Berth.Bench waiting BERTH EARLIER-BERTH CLAUDE REPORT");
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

static async Task<int> WaitingAsync(string[] programs, string cli, string report)
{
    using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(30));
    var shares = new List<double>();
    foreach (var program in programs)
    {
        await using var place = await Ground.PrepareAsync(
            Path.GetFullPath(program), Path.GetFullPath(cli), image: null, stop.Token);
        shares.Add(await WaitingRuns.MeasureAsync(place, stop.Token));
    }

    var table = new ReportTable();
    table.AtMost("hosts and supervisors of 50 runs, of one core", shares[0], 1, "%");
    table.Tell("the same of the earlier program", shares[1], "%");
    table.Tell("ratio of the two", shares[0] / shares[1], string.Empty);
    var text = string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Runs that wait

        Made by `bench/Berth.Bench`: 50 runs in local mode whose model says nothing, one program after the other on one machine with
        {Environment.ProcessorCount} cores. What counts is the processor time of Berth's own processes in half a minute, not the CLI's.

        {table.MarkdownWithRatios()}
        """);
    await File.WriteAllTextAsync(report, text, stop.Token);
    await Console.Out.WriteLineAsync(text);
    return table.AllMet ? 0 : 1;
}

static async Task<int> ServerAsync(string berth, string report)
{
    using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(30));
    var fake = FakePackage();
    await using var ground = await Ground.PrepareAsync(berth, fake, image: null, stop.Token);
    var table = new ReportTable();
    var loads = await new ServerUnderLoad(ground, table, stop.Token).MeasureAsync();
    var text = ServerReport.Document(loads, table);
    await File.WriteAllTextAsync(report, text, stop.Token);
    await Console.Out.WriteLineAsync(text);
    return table.AllMet ? 0 : 1;
}

// It has files beside it, and of a program that is in no package only its file is mounted.
static string FakePackage()
{
    var folder = Path.Combine(AppContext.BaseDirectory, "fake", "node_modules", "berth-fake-claude");
    Directory.CreateDirectory(folder);
    foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "berth-fake-claude*")
        .Append(Path.Combine(AppContext.BaseDirectory, "Berth.Protocol.dll")))
    {
        File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
    }

    return Path.Combine(folder, "berth-fake-claude");
}
