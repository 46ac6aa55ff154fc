using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Berth.Bench;

/// <summary>Local mode against Docker mode, and each against the CLI alone in the same place: the same tasks, in
/// turn.</summary>
internal static class LocalAgainstDocker
{
    private const double MaxShareOfDocker = 0.5;
    private const double MaxStart = 2000;
    private const double MaxMemoryShare = 0.7;
    private const double MaxAboveContainer = 1.1;
    private const int MemoryRounds = 3;
    private const string Marker = "the-agent-is-at-work";
    private static readonly int[] AtOnce = [1, 4, 16];

    /// <summary>Measures all of it.</summary>
    /// <returns>The report's tables and the plot.</returns>
    public static async Task<(string Markdown, string Plot)> MeasureAsync(
        Ground ground, int runs, ReportTable goals, CancellationToken cancel)
    {
        var ways = new Ways(ground);
        var trivial = new BenchTask("one tool call", Ground.Script);
        var ten = new BenchTask("ten tool calls", TenCalls());
        var flood = new BenchTask("200 MB of output", "nothing", await StandInAsync(ground, cancel));
        var rows = new List<(string Name, IReadOnlyList<double> Values)>();
        var warm = await SeveralAsync(ways, trivial, runs, cold: false, cancel);
        rows.Add(("one tool call", Medians(warm)));
        var canBeCold = Environment.IsPrivilegedProcess;
        if (canBeCold)
        {
            rows.Add(("one tool call, cold", Medians(await SeveralAsync(ways, trivial, 3, cold: true, cancel))));
        }

        var long10 = await SeveralAsync(ways, ten, runs, cold: false, cancel);
        rows.Add(("ten tool calls", Medians(long10)));
        rows.Add(("200 MB of output", Medians(await SeveralAsync(ways, flood, 3, cold: false, cancel))));
        foreach (var count in AtOnce.Skip(1))
        {
            rows.Add(($"{count} at once", await TogetherAsync(ways, trivial, count, cancel)));
        }

        var (local, docker) = (await MemoryAsync(ground, "local", cancel), await MemoryAsync(ground, "docker", cancel));
        Judge(goals, Medians(warm), Started(warm), (local, docker));
        goals.AtMost("Docker mode / bare `docker run`, one tool call",
            Ratio(warm, 3, 2), MaxAboveContainer, string.Empty);
        goals.AtMost("Docker mode / bare `docker run`, ten tool calls",
            Ratio(long10, 3, 2), MaxAboveContainer, string.Empty);
        return (Table(rows), BarPlot.Draw("Whole time of a run", Ways.Names, rows, "ms"));
    }

    private static void Judge(
        ReportTable goals, List<double> whole, (double Local, double Docker) started,
        ((double All, double Beyond) Local, (double All, double Beyond) Docker) memory)
    {
        goals.AtMost("local / Docker, of the time that is not the bare CLI's",
            (whole[1] - whole[0]) / (whole[3] - whole[0]), MaxShareOfDocker, string.Empty);
        goals.AtMost("local, one-shot, until the CLI is started", started.Local, MaxStart, "ms");
        goals.Tell("Docker, one-shot, until the CLI is started", started.Docker, "ms");
        goals.Tell("memory that a local run adds, the CLI's with it", memory.Local.All, "MiB");
        goals.Tell("memory that a Docker run adds, the CLI's with it", memory.Docker.All, "MiB");
        goals.Tell("memory that a local run adds beyond the CLI's", memory.Local.Beyond, "MiB");
        goals.Tell("memory that a Docker run adds beyond the CLI's", memory.Docker.Beyond, "MiB");
        goals.AtMost("ratio of the two", memory.Local.Beyond / memory.Docker.Beyond, MaxMemoryShare, string.Empty);
    }

    private static string TenCalls()
    {
        var calls = Enumerable.Range(1, 10).Select(i => string.Create(
            CultureInfo.InvariantCulture, $"bash echo {i} >> numbers.txt; sha256sum numbers.txt"));
        return $"```script\n{string.Join("\n---\n", calls)}\n---\ntext Done.\n```";
    }

    /// <summary>A script in the place of the CLI: what a model says never is that much, what a journal must take
    /// is.</summary>
    private static async Task<string> StandInAsync(Ground ground, CancellationToken cancel)
    {
        var path = Path.Combine(Directory.CreateDirectory(Path.Combine(ground.Folder, "standin")).FullName, "claude");
        await File.WriteAllTextAsync(
            path,
            """
            #!/bin/sh
            if [ "$1" = --version ]; then echo '2.1.330 (stand-in)'; exit 0; fi
            line='{"type":"system","subtype":"flood","text":"'$(printf '%0900d' 0)'"}'
            yes "$line" | head -c 200000000
            echo
            echo '{"type":"result","subtype":"success","is_error":false,"result":"Done.","num_turns":1}'
            """,
            cancel);
        File.SetUnixFileMode(path, (UnixFileMode)Convert.ToInt32("755", 8));
        return path;
    }

    private static async Task<List<List<WayTime>>> SeveralAsync(
        Ways ways, BenchTask task, int runs, bool cold, CancellationToken cancel)
    {
        var times = ways.All.Select(_ => new List<WayTime>()).ToList();
        for (var round = cold ? 0 : -1; round < runs; round++)
        {
            for (var i = 0; i < ways.All.Count; i++)
            {
                if (cold)
                {
                    await File.WriteAllTextAsync("/proc/sys/vm/drop_caches", "3", cancel);
                }

                var took = await ways.All[i](task, cancel);
                if (round >= 0)
                {
                    times[i].Add(took);
                }
            }
        }

        return times;
    }

    private static async Task<List<double>> TogetherAsync(
        Ways ways, BenchTask task, int count, CancellationToken cancel)
    {
        var times = new List<double>();
        foreach (var way in ways.All)
        {
            var began = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, count).Select(_ => way(task, cancel)));
            times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
        }

        return times;
    }

    /// <summary>While the agent waits for a tool: what the machine's processes have more than before.</summary>
    private static async Task<(double All, double Beyond)> MemoryAsync(
        Ground ground, string mode, CancellationToken cancel)
    {
        const string Script = $"```script\nbash touch {Marker}; sleep 4\n---\ntext Done.\n```";
        var samples = new List<(double All, double Beyond)>();
        for (var i = 0; i < MemoryRounds; i++)
        {
            var before = MachineMemory.Read();
            var run = ground.RunBerthAsync(cancel, mode, Script);
            var runs = Path.Combine(ground.Environment["BERTH_HOME"], "runs");
            while (!Directory.EnumerateDirectories(runs).Any(run => File.Exists($"{run}/workspace/{Marker}")))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), cancel);
            }

            // The start is over then; what is left of it in memory is the run's.
            await Task.Delay(TimeSpan.FromSeconds(1), cancel);
            var during = MachineMemory.Read();
            await run;
            var all = during.All - before.All;
            samples.Add((all, all - (during.Claude - before.Claude)));
        }

        return (ReportTable.Median(samples.Select(sample => sample.All)),
            ReportTable.Median(samples.Select(sample => sample.Beyond)));
    }

    private static List<double> Medians(List<List<WayTime>> times) =>
        [.. times.Select(way => ReportTable.Median(way.Select(time => time.Whole)))];

    private static (double Local, double Docker) Started(List<List<WayTime>> times) =>
        (ReportTable.Median(times[1].Select(time => time.UntilStarted!.Value)),
            ReportTable.Median(times[3].Select(time => time.UntilStarted!.Value)));

    private static double Ratio(List<List<WayTime>> times, int of, int to) =>
        ReportTable.Median(times[of].Zip(times[to], (a, b) => a.Whole / b.Whole));

    private static string Table(IReadOnlyList<(string Name, IReadOnlyList<double> Values)> rows)
    {
        var text = new StringBuilder();
        text.AppendLine($"| whole time, ms | {string.Join(" | ", Ways.Names)} | local / Docker |")
            .AppendLine("|---|---:|---:|---:|---:|---:|");
        foreach (var (name, values) in rows)
        {
            var cells = values.Select(value => value.ToString("0", CultureInfo.InvariantCulture));
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {name} | {string.Join(" | ", cells)} | {values[1] / values[3]:0.00} |");
        }

        return text.ToString();
    }
}
