using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Engine.Runs;

namespace Berth.Bench;

/// <summary>A server with a month's runs behind it: what it answers how fast, and what it takes.</summary>
internal sealed class ServerUnderLoad(Ground ground, ReportTable table, CancellationToken cancel)
{
    private const int Asked = 200;
    private const int Alone = 60;
    private const int Beside = 100;
    private const int TalkBeside = 100;
    private const int Readers = 1000;
    private const int Said = 150;
    private const int Queued = 200;
    private const int Slots = 16;
    private const double MaxAnswer = 50;
    private const double MaxSubmit = 20;
    private const double MaxGrowth = 50;
    private const double MaxIdle = 150;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BetweenSubmits = TimeSpan.FromMilliseconds(50);

    private readonly StringBuilder loads = new();

    /// <summary>Measures all of it.</summary>
    /// <returns>What the machine had else to do, as a sentence.</returns>
    public async Task<string> MeasureAsync()
    {
        var home = Path.Combine(ground.Folder, "server");
        var ids = ManyRuns.Insert(home, Plan());
        var environment = ground.Environment;
        environment["BERTH_HOME"] = home;
        environment["CLAUDE_CODE_MODE"] = "local";
        environment["CLAUDE_CODE_MAX_CONCURRENT"] = Slots.ToString(CultureInfo.InvariantCulture);
        await using var server = await RunningServer.StartAsync(
            ground.Berth, environment, Path.Combine(ground.Folder, "server.log"), cancel);
        await Task.Delay(Settling, cancel);
        table.AtMost("memory of the server, idle, with 10,000 runs in its table", server.Memory, MaxIdle, "MiB");
        await AskAsync(server, ids);
        await SubmitAloneAsync(server);
        await ReadAsync(server);
        await SubmitBesideWorkAsync(server);
        await QueueAsync(server);
        await Task.Delay(Settling, cancel);
        table.AtMost("memory of the server after all of this, idle again", server.Memory, MaxIdle, "MiB");
        return loads.ToString();
    }

    private static RunPlan Plan() => new()
    {
        Workflow = "implement",
        WorkflowFolder = "/workflows/implement",
        Mode = "local",
        ModeReason = "the default says local",
        Repository = ManyRuns.Repository(0),
        Branch = "berth/implement/0",
        SessionId = "00000000-0000-0000-0000-000000000001",
        AllowedTools = ["Read", "Edit", "Bash(git status:*)"],
        Timeout = TimeSpan.FromMinutes(30),
        Title = "Mend the login test, which fails since the last release",
        ClaudeBinary = "/opt/claude/claude",
        Upstream = new Uri("http://127.0.0.1:1"),
    };

    private async Task AskAsync(RunningServer server, IReadOnlyList<string> ids)
    {
        NoteLoad("the lists");
        var since = (DateTimeOffset.UtcNow - TimeSpan.FromDays(2)).ToString("yyyy-MM-ddTHH:mm:ssZ",
            CultureInfo.InvariantCulture);
        var middle = ids[ids.Count / 2];
        var repository = Uri.EscapeDataString(ManyRuns.Repository(3));
        foreach (var (what, query) in new[]
        {
            ("list, the newest 50", string.Empty),
            ("list, a page in the middle", $"?cursor={middle}"),
            ("list, the longest page (500)", "?limit=500"),
            ("filter by state", "?state=failed,timed_out"),
            ("filter by a state that no run is in", "?state=running"),
            ("filter by workflow", "?workflow=review"),
            ("filter by repository", $"?repository={repository}"),
            ("filter by a repository of no run", "?repository=https%3A%2F%2Fgit.example.com%2Fnone.git"),
            ("filter by label", "?label=team=search"),
            ("filter by a label of one run", "?label=number=77"),
            ("filter by time", $"?since={since}"),
            ("filter by all of these", $"?state=failed&workflow=test&repository={Uri.EscapeDataString(
                ManyRuns.Repository(7))}&label=team=pay&since={since}"),
        })
        {
            await AskAsync(server, what, _ => $"/api/v1/runs{query}");
        }

        await AskAsync(server, "show by its id", i => $"/api/v1/runs/{ids[i * 37 % ids.Count]}");
        await AskAsync(server, "show by its short id", i => $"/api/v1/runs/{RunId.Short(ids[i * 37 % ids.Count])}");
    }

    private async Task AskAsync(RunningServer server, string what, Func<int, string> path)
    {
        var times = new List<double>();
        for (var i = 0; i < Asked; i++)
        {
            times.Add(await TimeAsync(() => server.Http.GetByteArrayAsync(
                new Uri(path(i), UriKind.Relative), cancel)));
        }

        Judge(what, times, MaxAnswer);
    }

    // One after the other's end: nothing else works meanwhile.
    private async Task SubmitAloneAsync(RunningServer server)
    {
        NoteLoad("the single submissions");
        var times = new List<double>();
        for (var i = 0; i < Alone; i++)
        {
            var id = string.Empty;
            times.Add(await TimeAsync(async () => id = await server.SubmitAsync(
                ground.Repository, "Please do it.\n!say done\n", cancel)));
            await server.WaitAsync(id, IsOver, cancel);
        }

        Judge("submit, nothing else at work", times, MaxSubmit);
        table.Tell("the first of them, for which the CLI is tried", times[0], "ms");
    }

    // As agents work: they wait for the model, and say something now and then.
    private async Task SubmitBesideWorkAsync(RunningServer server)
    {
        NoteLoad("the submissions beside runs at work");
        var ids = new List<string>();
        for (var i = 0; i < Slots; i++)
        {
            ids.Add(await server.SubmitAsync(ground.Repository, "Please talk.\n" + Talk(TalkBeside), cancel));
        }

        foreach (var id in ids)
        {
            await server.WaitAsync(id, run => run.GetProperty("state").ValueEquals("running"), cancel);
        }

        var times = new List<double>();
        for (var i = 0; i < Beside; i++)
        {
            times.Add(await TimeAsync(async () => ids.Add(await server.SubmitAsync(
                ground.Repository, "Please do it.\n!say done\n", cancel))));
            await Task.Delay(BetweenSubmits, cancel);
        }

        Judge($"submit, while {Slots} runs work and say something five times a second", times, MaxSubmit);
        foreach (var id in ids)
        {
            await server.WaitAsync(id, IsOver, cancel);
        }
    }

    private static string Talk(int steps) => string.Concat(Enumerable.Range(0, steps).Select(
        i => string.Create(CultureInfo.InvariantCulture, $"!say This is what I do now, step {i}.\n!sleep 0.2\n")));

    private async Task ReadAsync(RunningServer server)
    {
        NoteLoad("the readers");
        var id = await server.SubmitAsync(ground.Repository, "Please talk.\n" + Talk(Said), cancel);
        await server.WaitAsync(id, run => run.GetProperty("state").ValueEquals("running"), cancel);
        var (before, cpu) = (server.Memory, server.ProcessorTime.Own);
        server.ForgetPeak();
        var allRead = new TaskCompletionSource();
        var began = Stopwatch.GetTimestamp();
        var reading = ManyReaders.ReadAsync(server.Http, id, Readers, allRead, cancel);
        await Task.WhenAny(reading, allRead.Task);
        var until = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        var events = await reading;
        var peak = server.PeakMemory;
        var spent = server.ProcessorTime.Own - cpu;
        await Task.Delay(Settling, cancel);
        table.Tell("1,000 readers of one run at work, half of them SSE: events to each, once and in order", events, "");
        table.Tell("until each of them has its first event", until, "ms");
        table.Tell("memory of the server before", before, "MiB");
        table.AtMost("growth of its memory at the peak", peak - before, MaxGrowth, "MiB");
        table.Tell("growth that is left 10 s after", server.Memory - before, "MiB");
        table.Tell("processor time of the server for each event to a reader", spent * 1000 / (events * Readers), "µs");
    }

    private async Task QueueAsync(RunningServer server)
    {
        NoteLoad("the queue");
        var (own, children) = server.ProcessorTime;
        var began = Stopwatch.GetTimestamp();
        var (ids, times) = (new List<string>(), new List<double>());
        for (var i = 0; i < Queued; i++)
        {
            times.Add(await TimeAsync(async () => ids.Add(await server.SubmitAsync(
                ground.Repository, $"Please do it.\n!write hello-{i}.txt hello\n!say done\n", cancel))));
            await Task.Delay(BetweenSubmits, cancel);
        }

        var failed = 0;
        foreach (var id in ids)
        {
            var run = await server.WaitAsync(id, IsOver, cancel);
            failed += run.GetProperty("state").ValueEquals("succeeded") ? 0 : 1;
        }

        var took = Stopwatch.GetElapsedTime(began).TotalMilliseconds;
        var (ownAfter, childrenAfter) = server.ProcessorTime;
        table.Tell("submit, while runs start and end as fast as the machine can: median",
            ReportTable.Median(times), "ms");
        table.Tell("the same: p95", ReportTable.Percentile(times, 0.95), "ms");
        table.AtMost($"{Queued} queued runs through {Slots} places: runs that did not succeed", failed, 0, "");
        table.Tell("from the first submission to the last run's end", took / 1000, "s");
        table.Tell("processor time of the server itself for each run", (ownAfter - own) / Queued, "ms");
        table.Tell("of the git and other processes that it starts, for each run",
            (childrenAfter - children) / Queued, "ms");
    }

    private void Judge(string what, List<double> times, double goal)
    {
        table.Tell($"{what}: median", ReportTable.Median(times), "ms");
        table.AtMost($"{what}: p95", ReportTable.Percentile(times, 0.95), goal, "ms");
    }

    private void NoteLoad(string what)
    {
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        loads.Append(CultureInfo.InvariantCulture, $"{(loads.Length == 0 ? "" : ", ")}{load} before {what}");
    }

    private static bool IsOver(JsonElement run) =>
        run.GetProperty("finishedAt").ValueKind != JsonValueKind.Null
        && run.GetProperty("cleanup").GetProperty("state").GetString() is not "pending";

    private static async Task<double> TimeAsync(Func<Task> work)
    {
        var began = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }
}
