using Berth.Engine.Executors;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Decides which folders of the machine a run has, or refuses them.</summary>
/// <remarks>
/// The operator names folders, and whoever asks for a run chooses among them and what is below. Paths are compared
/// without links, for a run that may write in one folder could make links in it.
/// </remarks>
internal static class RunMounts
{
    private const int Most = 50;

    // Nobody can permit these: they are the machine, or the way out of any sandbox.
    private static readonly string[] Never = ["/proc", "/sys", "/dev", "/run", "/var/run", "/boot"];

    // Where the sandbox and the container have something of their own, or the system.
    private static readonly string[] Taken =
    [
        "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys",
        "/usr",
        InsidePaths.ClaudeFolder, InsidePaths.Supervisor, InsidePaths.Workspace, InsidePaths.Home,
    ];

    /// <summary>The folders: the workflow's, and those of the request.</summary>
    /// <exception cref="FailureException">One of them is malformed, not there, or not permitted.</exception>
    public static IReadOnlyList<HostMount> Decide(
        BerthOptions options, RunRequest request, IReadOnlyList<MountText> workflow, SandboxKind sandbox)
    {
        var asked = workflow.Concat(request.Mounts.Select(text => MountText.Parse(text) ?? throw Refusal(
            "mount_invalid", $"--mount {text} cannot be a folder.", $"Use {MountText.Expected}."))).ToList();
        if (asked.Count == 0)
        {
            return [];
        }

        if (sandbox == SandboxKind.None)
        {
            throw Refusal(
                "mount_needs_sandbox",
                $"The run is to have {asked[0].Host}, and no sandbox that it could be put into.",
                "Leave out one of the two: without a sandbox the agent has your files where they are.");
        }

        var mounts = asked.Select(each => Permitted(options, each)).ToList();
        var places = mounts.DistinctBy(mount => mount.Inside, StringComparer.Ordinal).Count();
        return mounts.Count <= Most && places == mounts.Count
            ? mounts
            : throw Refusal(
                "mount_invalid",
                $"The run is to have {mounts.Count} folders, more than {Most} or two of them in one place.",
                "Give each a place of its own: HOST:INSIDE.");
    }

    private static HostMount Permitted(BerthOptions options, MountText asked)
    {
        var real = Directory.Exists(asked.Host) ? RealPath.Of(asked.Host) : null;
        if (real is null)
        {
            throw Refusal(
                "mount_missing", $"The run is to have {asked.Host}, and there is no such folder.", "Make it first.");
        }

        var inside = asked.Inside ?? asked.Host;
        if (inside is "/tmp" or "/var/tmp"
            || Array.Exists(Taken, taken => RealPath.IsWithin(inside, taken) || RealPath.IsWithin(taken, inside)))
        {
            throw Refusal(
                "mount_invalid",
                $"The run is to have {asked.Host} at {inside}, where it has something else already.",
                "Name another place: HOST:INSIDE, for example under /mnt.");
        }

        if (Closed(options).FirstOrDefault(
            closed => RealPath.IsWithin(real, closed) || RealPath.IsWithin(closed, real)) is { } why)
        {
            throw Refusal(
                "mount_not_permitted",
                $"The run is to have {real}; {why} can never be given to a run.",
                "Ask for a folder that holds only what the run needs.");
        }

        return options.Mounts.Any(bound => RealPath.Of(bound.Host) is { } folder
            && RealPath.IsWithin(real, folder) && (bound.IsWritable || !asked.IsWritable))
            ? new HostMount(real, inside, asked.IsWritable)
            : throw Refusal(
                "mount_not_permitted",
                $"The run is to {(asked.IsWritable ? "write" : "read")} {real}; the operator permits "
                    + (options.Mounts.Count == 0 ? "no folder." : $"{string.Join(", ", options.Mounts.Select(Text))}."),
                "Ask for one of those, or have the operator add it to BERTH_MOUNTS.");
    }

    private static IEnumerable<string> Closed(BerthOptions options)
    {
        const string Unix = "unix://";
        IEnumerable<string?> own =
        [
            options.Home,
            options.RunsRoot,
            options.DockerHost?.StartsWith(Unix, StringComparison.Ordinal) == true
                ? options.DockerHost[Unix.Length..]
                : null,
        ];
        return Never.Concat(own.OfType<string>().Select(path => RealPath.Of(path) ?? path));
    }

    private static string Text(MountText mount) => mount.IsWritable ? $"{mount.Host}:rw" : mount.Host;

    private static FailureException Refusal(string code, string message, string hint) =>
        new(code, message, hint, Fault.User);
}
