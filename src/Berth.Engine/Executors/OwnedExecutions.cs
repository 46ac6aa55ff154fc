using System.Globalization;
using Berth.Engine.Executors.Docker;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors;

/// <summary>What an execution has that does not stay for good: what clean-up removes, and the sweeper finds.</summary>
internal static class OwnedExecutions
{
    private static readonly string[] Always =
    [
        "home", "gateway", "capture", "agent", PrivateEtc.FolderName, RunDirectory.ControlSocketName,
        "secrets.json", "workspace.lock", WarmSlot.FileName, RunDirectory.ArtifactsInsideName,
        RunDirectory.ExitReserveName,
    ];

    /// <summary>The run directories there are, by name.</summary>
    internal static IEnumerable<string> RunIds(string runsFolder) => Directory.Exists(runsFolder)
        ? Directory.EnumerateDirectories(runsFolder).Select(folder => Path.GetFileName(folder))
        : [];

    /// <summary>The mode in which a run was executed, or has a container that waits; null where it has
    /// neither.</summary>
    internal static string? ModeOf(RunDirectory run) =>
        ExecutionRecords.Spec(run)?.Facts.GetValueOrDefault("mode")
        ?? (WarmSlot.IsIn(run) ? DockerExecutor.ModeName : null);

    /// <summary>The entries of a run directory that clean-up removes. The journal and the records stay.</summary>
    internal static IReadOnlyList<string> Removable(RunDirectory run, bool keepWorkspace) =>
        keepWorkspace
            ? Always
            : [Path.GetFileName(run.Workspace), .. Always];

    /// <summary>What of a run is still there.</summary>
    internal static IReadOnlyList<string> ResidueOf(
        RunDirectory run, IEnumerable<string> groups, IEnumerable<ProcessIdentity> processes) =>
    [
        .. from process in processes
           select string.Create(CultureInfo.InvariantCulture, $"process {process.Pid}"),
        .. groups.Where(Directory.Exists),
        .. Removable(run, keepWorkspace: false).Select(name => Path.Combine(run.Root, name)).Where(Path.Exists),
    ];
}
