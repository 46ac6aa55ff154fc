using Berth.Engine;
using Berth.Engine.Gateway;

namespace Berth.Bench;

/// <summary>The share of a host that has hosted runs before, as a server's has: nothing is compiled any more.</summary>
internal static class RunningProcess
{
    private const double MaxShareBefore = 150;
    private const double MaxUntilStarted = 450;
    private const double MaxUntilStartedWarm = 150;
    private const int WarmRuns = 5;

    /// <summary>Local mode: what the host itself does before the CLI starts.</summary>
    public static async Task MeasureLocalAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        var (before, _) = await MeasureAsync(ground, runs, "local", cancel);
        table.AtMost(
            "Berth before the CLI starts (prepare + start), in a running process",
            ReportTable.Median(before),
            MaxShareBefore,
            "ms");
        table.Tell("the same, p95", ReportTable.Percentile(before, 0.95), "ms");
    }

    /// <summary>Docker mode: from the request to the CLI's start, with a new container and with a warm one.</summary>
    public static async Task MeasureDockerAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        var (_, local) = await MeasureAsync(ground, runs, "local", cancel);
        var (cold, warm) = (Open(ground, "cold", 0), Open(ground, "warm", 1));
        var (coldTimes, warmTimes) = (new List<RunTimes>(), new List<RunTimes>());
        for (var i = -WarmRuns; i < runs; i++)
        {
            var (one, other) = (await RunAsync(ground, cold, "docker", cancel),
                await RunAsync(ground, warm, "docker", cancel));
            if (i >= 0)
            {
                coldTimes.Add(one);
                warmTimes.Add(other);
            }
        }

        _ = await warm.Engine.CleanUpAsync(new CleanupSelection(), dryRun: false, cancel);
        table.Tell("local, from submit to the CLI started, in a running process", ReportTable.Median(local), "ms");
        Judge(table, "Docker, from submit to the CLI started, in a running process", coldTimes, MaxUntilStarted);
        Judge(table, "Docker, likewise, where a warm container waits", warmTimes, MaxUntilStartedWarm);
    }

    private static void Judge(ReportTable table, string what, IReadOnlyList<RunTimes> times, double most)
    {
        var untilStarted = times.Select(time => time.UntilStarted).ToList();
        table.AtMost(what, ReportTable.Median(untilStarted), most, "ms");
        table.Tell("the same, p95", ReportTable.Percentile(untilStarted, 0.95), "ms");
        table.Tell("of it, to prepare the workspace", ReportTable.Median(times.Select(time => time.Prepare)), "ms");
        table.Tell("of it, to start the CLI", ReportTable.Median(times.Select(time => time.Start)), "ms");
    }

    private static async Task<(List<double> Before, List<double> UntilStarted)> MeasureAsync(
        Ground ground, int runs, string mode, CancellationToken cancel)
    {
        var home = Open(ground, "running", 0);
        var times = new List<RunTimes>();
        for (var i = -WarmRuns; i < runs; i++)
        {
            var took = await RunAsync(ground, home, mode, cancel);
            if (i >= 0)
            {
                times.Add(took);
            }
        }

        return ([.. times.Select(time => time.Prepare + time.Start)], [.. times.Select(time => time.UntilStarted)]);
    }

    private static OpenHome Open(Ground ground, string name, int warm)
    {
        var environment = ground.Environment;
        var home = Path.Combine(ground.Folder, name);
        var program = Path.GetDirectoryName(Path.GetFullPath(ground.Berth))!;
        var options = new BerthOptions
        {
            Home = home,
            ProgramFolder = program,
            WorkflowFolders = [Path.Combine(program, "workflows")],
            DockerHost = environment.GetValueOrDefault("DOCKER_HOST"),
            Image = ground.Image ?? BerthOptions.DefaultImage,
            Warm = warm,
            SupervisorPath = Path.Combine(program, "supervisor", "berth-supervisor"),
            ClaudeBinary = ground.Claude,

            // The host is this process.
            HostCommand = ["/bin/true"],
            Environment = environment,
            Gateway = new GatewayOptions
            {
                Upstream = new Uri(environment["ANTHROPIC_BASE_URL"]),
                ApiKey = environment["ANTHROPIC_API_KEY"],
            },
        };
        return new OpenHome(home, BerthEngine.Open(options, TimeProvider.System));
    }

    private static async Task<RunTimes> RunAsync(
        Ground ground, OpenHome home, string mode, CancellationToken cancel)
    {
        var request = new RunRequest
        {
            Workflow = "implement",
            Message = Ground.Script,
            CurrentDirectory = ground.Repository,
            Mode = mode,
        };
        var asked = DateTimeOffset.UtcNow;
        var id = (await home.Engine.SubmitAsync(request, cancel)).Id;

        // With a warm container: until the next one waits.
        await home.Engine.HostAsync(id, cancel);
        var phases = home.Engine.Resolve(id).PhasesMs;
        return new RunTimes(
            phases.Prepare!.Value,
            phases.Start!.Value,
            (Ground.AgentStarted(home.Folder, id) - asked).TotalMilliseconds);
    }

    private sealed record OpenHome(string Folder, BerthEngine Engine);

    private sealed record RunTimes(double Prepare, double Start, double UntilStarted);
}
