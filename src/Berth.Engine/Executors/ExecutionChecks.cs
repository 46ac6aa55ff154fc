using System.Globalization;
using Berth.Engine.Network;
using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Refuses what cannot work in any mode, before anything is started.</summary>
internal static class ExecutionChecks
{
    // The bounds that ExecutionPolicy documents: below them not even the CLI starts.
    private const long LeastMemory = 64L * 1024 * 1024;
    private const int LeastProcesses = 16;

    /// <summary>Looks at the workspace, the CLI, the mounts and the limits.</summary>
    /// <exception cref="FailureException">Something is missing or impossible.</exception>
    internal static void Check(RunDirectory run, ExecutionSpec spec)
    {
        if (!Directory.Exists(run.Workspace))
        {
            throw new FailureException(
                "workspace_missing",
                $"The execution of run {spec.RunId} was to start in {run.Workspace}, which is not there.",
                "Prepare the workspace first.",
                Fault.Berth);
        }

        if (ClaudeProgram.Inspect(ClaudeProgram.Resolve(spec.ClaudeBinary)) is { } wrong)
        {
            throw new FailureException(wrong);
        }

        foreach (var mount in spec.Policy.Mounts.Concat(spec.Policy.ExtraMounts))
        {
            CheckMount(mount);
        }

        // What was a folder when it was permitted may lead elsewhere by now.
        foreach (var mount in spec.Policy.ExtraMounts)
        {
            if (!string.Equals(RealPath.Of(mount.Host), mount.Host, StringComparison.Ordinal))
            {
                throw new FailureException(
                    "mount_not_permitted",
                    $"The run was to have {mount.Host}, which has become a link to {RealPath.Of(mount.Host)}.",
                    "Ask for the folder itself.",
                    Fault.Operator);
            }
        }

        CheckLimits(spec.Policy);
        CheckNetwork(spec.Policy);
    }

    /// <summary>Refuses a list of hosts where there is nothing that could keep the agent to it.</summary>
    /// <exception cref="FailureException"><c>network_needs_sandbox</c>.</exception>
    internal static void CheckNetwork(ExecutionPolicy policy)
    {
        if (policy is { Sandbox: SandboxKind.None, Network.Mode: NetworkMode.Allowlist })
        {
            throw new FailureException(
                "network_needs_sandbox",
                $"The run is to reach {string.Join(", ", policy.Network.Hosts)} only, and is to have no sandbox.",
                "Leave out --sandbox none, or say --network open: without a sandbox the agent reaches what you reach.",
                Fault.User);
        }
    }

    private static void CheckMount(HostMount mount)
    {
        if (!Path.IsPathFullyQualified(mount.Inside) || mount.Inside is "/"
            || !string.Equals(Path.GetFullPath(mount.Inside), mount.Inside, StringComparison.Ordinal))
        {
            throw new FailureException(
                "mount_invalid",
                $"The run was to see {mount.Host} at '{mount.Inside}', which is not a plain absolute path.",
                "Use an absolute path without '.', '..' and a slash at the end.",
                Fault.User);
        }

        if (!Path.Exists(mount.Host))
        {
            throw new FailureException(
                "mount_missing", $"The run was to see {mount.Host}, which is not there.", "Make it, or leave it out.",
                Fault.Operator);
        }
    }

    private static void CheckLimits(ExecutionPolicy policy)
    {
        if (policy.MemoryBytes is < LeastMemory || policy.Processes is < LeastProcesses)
        {
            throw new FailureException(
                "limit_invalid",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The run was to have {policy.MemoryBytes} bytes and {policy.Processes} processes: too few."),
                $"Give it at least {LeastMemory} bytes and {LeastProcesses} processes.",
                Fault.User);
        }
    }
}
