using Berth.Engine;
using Berth.Engine.Gateway;

namespace Berth.Bench;

/// <summary>The share of a host that has hosted runs before, as a server's has: nothing is compiled any more.</summary>
internal static class RunningProcess
{
    private const double MaxShareBefore = 150;
    private const int WarmRuns = 5;

    public static async Task MeasureAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        var environment = ground.Environment;
        var program = Path.GetDirectoryName(Path.GetFullPath(ground.Berth))!;
        var engine = BerthEngine.Open(
            new BerthOptions
            {
                Home = Path.Combine(ground.Folder, "running"),
                ProgramFolder = program,
                WorkflowFolders = [Path.Combine(program, "workflows")],
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
        var before = new List<double>();
        for (var i = -WarmRuns; i < runs; i++)
        {
            var request = new RunRequest
            {
                Workflow = "implement",
                Message = Ground.Script,
                CurrentDirectory = ground.Repository,
                Mode = "local",
            };
            var id = (await engine.SubmitAsync(request, cancel)).Id;
            await engine.HostAsync(id, cancel);
            var phases = engine.Resolve(id).PhasesMs;
            if (i >= 0)
            {
                before.Add(phases.Prepare!.Value + phases.Start!.Value);
            }
        }

        table.AtMost(
            "Berth before the CLI starts (prepare + start), in a running process",
            ReportTable.Median(before),
            MaxShareBefore,
            "ms");
        table.Tell("the same, p95", ReportTable.Percentile(before, 0.95), "ms");
    }
}
