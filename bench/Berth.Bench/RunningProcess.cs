using Berth.Engine;
using Berth.Engine.Gateway;

namespace Berth.Bench;

/// <summary>The share of a host that has hosted runs before, as a server's has: nothing is compiled any more.</summary>
internal static class RunningProcess
{
    private const double MaxShareBefore = 150;
    private const double MaxUntilStarted = 450;
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

    /// <summary>Docker mode: from the request to the CLI's start.</summary>
    public static async Task MeasureDockerAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        var (_, local) = await MeasureAsync(ground, runs, "local", cancel);
        var (_, docker) = await MeasureAsync(ground, runs, "docker", cancel);
        table.Tell("local, from submit to the CLI started, in a running process", ReportTable.Median(local), "ms");
        table.AtMost(
            "Docker, from submit to the CLI started, in a running process",
            ReportTable.Median(docker),
            MaxUntilStarted,
            "ms");
        table.Tell("the same, p95", ReportTable.Percentile(docker, 0.95), "ms");
    }

    private static async Task<(List<double> Before, List<double> UntilStarted)> MeasureAsync(
        Ground ground, int runs, string mode, CancellationToken cancel)
    {
        var environment = ground.Environment;
        var engineHome = Path.Combine(ground.Folder, "running");
        var program = Path.GetDirectoryName(Path.GetFullPath(ground.Berth))!;
        var engine = BerthEngine.Open(
            new BerthOptions
            {
                Home = engineHome,
                ProgramFolder = program,
                WorkflowFolders = [Path.Combine(program, "workflows")],
                DockerHost = environment.GetValueOrDefault("DOCKER_HOST"),
                Image = ground.Image ?? BerthOptions.DefaultImage,
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
            },
            TimeProvider.System);
        var (before, untilStarted) = (new List<double>(), new List<double>());
        for (var i = -WarmRuns; i < runs; i++)
        {
            var request = new RunRequest
            {
                Workflow = "implement",
                Message = Ground.Script,
                CurrentDirectory = ground.Repository,
                Mode = mode,
            };
            var asked = DateTimeOffset.UtcNow;
            var id = (await engine.SubmitAsync(request, cancel)).Id;
            await engine.HostAsync(id, cancel);
            var phases = engine.Resolve(id).PhasesMs;
            if (i >= 0)
            {
                before.Add(phases.Prepare!.Value + phases.Start!.Value);
                untilStarted.Add((Ground.AgentStarted(engineHome, id) - asked).TotalMilliseconds);
            }
        }

        return (before, untilStarted);
    }
}
