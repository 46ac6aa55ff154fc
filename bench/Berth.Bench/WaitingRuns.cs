using System.Diagnostics;
using System.Globalization;

namespace Berth.Bench;

/// <summary>What runs cost while their agents wait: the processor time of their hosts and supervisors, which is Berth's
/// own, without the CLI's.</summary>
internal static class WaitingRuns
{
    private const int Count = 50;
    private const double TicksPerSecond = 100;

    // The model says nothing for as long as the run lives.
    private const string Script = "```script\nhang\n```";
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(30);

    /// <summary>Starts the runs, leaves them alone, measures, and cancels them.</summary>
    /// <returns>The share of one core that all of them took together, in percent.</returns>
    public static async Task<double> MeasureAsync(Ground ground, CancellationToken cancel)
    {
        var ids = new List<string>();
        for (var i = 0; i < Count; i++)
        {
            var (_, id) = await BerthAsync("run", "implement", Script, "--mode", "local", "--detach");
            ids.Add(id.Trim());
        }

        foreach (var id in ids)
        {
            await StartedAsync(ground, id, cancel);
        }

        await Task.Delay(Settling, cancel);
        var processes = Processes(ids);
        var before = TicksOf(processes);
        var watch = Stopwatch.GetTimestamp();
        await Task.Delay(Watched, cancel);
        var seconds = (TicksOf(processes) - before) / TicksPerSecond;
        var share = 100 * seconds / Stopwatch.GetElapsedTime(watch).TotalSeconds;
        foreach (var id in ids)
        {
            await BerthAsync("cancel", id, "--force");
        }

        // The hosts clean up in their own time.
        while (processes.Exists(Directory.Exists))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), cancel);
        }

        return share;

        Task<(double Milliseconds, string Output)> BerthAsync(params string[] words)
        {
            var environment = ground.Environment;
            environment["CLAUDE_CODE_MAX_CONCURRENT"] = Count.ToString(CultureInfo.InvariantCulture);
            environment["CLAUDE_CODE_TIMEOUT"] = "1800";
            return Ground.TimeAsync(ground.Berth, words, environment, ground.Repository, cancel);
        }
    }

    private static async Task StartedAsync(Ground ground, string id, CancellationToken cancel)
    {
        var journal = Path.Combine(ground.Environment["BERTH_HOME"], "runs", id, "events.ndjson");
        while (!File.Exists(journal)
            || !(await File.ReadAllTextAsync(journal, cancel)).Contains("\"init\"", StringComparison.Ordinal))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), cancel);
        }
    }

    // The hosts and supervisors of these runs: their command lines name the run, and are none of the sandbox's.
    private static List<string> Processes(List<string> ids)
    {
        var found = new List<string>();
        foreach (var folder in Directory.EnumerateDirectories("/proc").Where(
            folder => Path.GetFileName(folder).All(char.IsAsciiDigit)))
        {
            try
            {
                var words = File.ReadAllText($"{folder}/cmdline").Split('\0');
                if (Path.GetFileName(words[0]) is "berth" or "berth-supervisor"
                    && ids.Any(id => words.Any(word => word.EndsWith(id, StringComparison.Ordinal))))
                {
                    found.Add(folder);
                }
            }
            catch (IOException)
            {
                // It has ended since.
            }
        }

        return found.Count == 2 * ids.Count
            ? found
            : throw new InvalidOperationException($"{found.Count} hosts and supervisors of {ids.Count} runs.");
    }

    private static long TicksOf(IEnumerable<string> processes) => processes.Sum(folder =>
    {
        // What follows the name in brackets: state, ten numbers, then user and system time.
        var text = File.ReadAllText($"{folder}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return long.Parse(fields[11], CultureInfo.InvariantCulture)
            + long.Parse(fields[12], CultureInfo.InvariantCulture);
    });
}
