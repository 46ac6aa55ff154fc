using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>The last step of a run in Docker mode: the next one of its kind finds a warm container.</summary>
internal sealed class WarmRefill(BerthOptions options, RunStore runs, RunDirectories directories, WarmPool pool)
{
    /// <summary>
    /// What runs must have in common to have the same warm container, as far as it is known before a workspace is made;
    /// the container's own record has the rest. Null where a run cannot have one.
    /// </summary>
    /// <remarks>A container has a repository's mirror mounted, so none is ever offered to another repository.</remarks>
    internal static string? KeyOf(BerthOptions options, RunPlan plan)
    {
        if (options is { Warm: 0 } or { UseMirror: false } || plan.Mode is not DockerExecutor.ModeName)
        {
            return null;
        }

        IEnumerable<string?> parts =
        [
            plan.Repository,
            plan.Image,
            plan.ClaudeBinary,
            options.SupervisorPath,
            plan.NeedsWorkflowFolder ? plan.WorkflowFolder : null,
            plan.Network.Mode is NetworkMode.Open ? "open" : null,
            .. new[] { plan.TempBytes, plan.MemoryBytes, plan.Processes }.Select(
                limit => limit?.ToString(CultureInfo.InvariantCulture)),
            plan.Cpus?.ToString(CultureInfo.InvariantCulture),
            .. plan.Mounts.Select(mount => mount.ToString()),
        ];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))));
    }

    /// <summary>Makes it. A failure is no matter of the run's, which is over.</summary>
    public async Task RunAsync(string id, CancellationToken stop)
    {
        if (runs.Find(id) is not { Plan.Mode: DockerExecutor.ModeName } run)
        {
            return;
        }

        try
        {
            await pool.RefillAsync(WantedOf(run), options.Warm, stop);
        }
        catch (Exception failed) when (failed is FailureException or IOException or UnauthorizedAccessException)
        {
            ErrorLog.SayIn(directories.HostLog(id), $"No warm container was made: {failed.Message}");
        }
    }

    private WantedSlot? WantedOf(RunRecord run) =>
        KeyOf(options, run.Plan) is { } key && run.Progress.Workspace is { } prepared
            ? new WantedSlot(
                key, new ContainerShape(AgentMounts.PolicyOf(run.Plan, prepared), run.Plan.ClaudeBinary))
            : null;
}
