using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>The git that captures: the image's own, or the machine's.</summary>
/// <remarks>
/// An image without git still gives its changes: then the machine's programs and libraries are mounted read-only below
/// a folder of their own, with the workspace and what capture needs at the usual places in it, and the supervisor makes
/// that folder the root of its git commands. The agent sees these programs too, as it does in local mode.
/// </remarks>
/// <param name="Program">The program, as its path is below the root.</param>
/// <param name="Root">The root, or null for the container's.</param>
internal sealed record CaptureGit(string Program, string? Root)
{
    /// <summary>The label by which an image says where its git is, so that nobody has to look.</summary>
    internal const string Label = "berth.git";

    private const string MachineRoot = "/run/berth/machine";

    private static readonly string[] Places = ["/usr/bin/git", "/usr/local/bin/git", "/bin/git"];

    // Where they are links into /usr the daemon mounts what they lead to.
    private static readonly string[] System = ["/usr", "/lib", "/lib32", "/lib64", "/libx32"];

    private static readonly string[] Devices = ["/dev/null", "/dev/urandom"];

    /// <summary>The machine's git.</summary>
    /// <exception cref="FailureException"><c>git_missing</c>.</exception>
    internal static CaptureGit OfMachine => ProgramSearch.FindInside("git") is { } git
        ? new CaptureGit(git, MachineRoot)
        : throw new FailureException(Missing.Git);

    /// <summary>The image's git, where the image says so itself; else null.</summary>
    internal static CaptureGit? SaidBy(ImageDetails image) =>
        image.Config?.Labels?.GetValueOrDefault(Label) is { Length: > 0 } program
            ? new CaptureGit(program, null)
            : null;

    /// <summary>Looks into a container that was made for the image's git; null where there is none.</summary>
    internal static async Task<CaptureGit?> FindAsync(DockerClient docker, string container, CancellationToken cancel)
    {
        foreach (var place in Places)
        {
            if (await docker.HasFileAsync(container, place, cancel))
            {
                return new CaptureGit(place, null);
            }
        }

        return null;
    }

    /// <summary>What is mounted below the root.</summary>
    internal static IEnumerable<ContainerMount> Mounts(RunDirectory run, ExecutionPolicy policy, string root) =>
    [
        .. from folder in System
           where Directory.Exists(folder)
           select new ContainerMount(folder, root + folder, ReadOnly: true),
        .. from device in Devices select new ContainerMount(device, root + device, ReadOnly: false),
        new(run.Workspace, root + InsidePaths.Workspace, ReadOnly: false),
        new(run.CaptureFolder, root + InsidePaths.Capture, ReadOnly: false),
        .. from mount in policy.Mounts
           select new ContainerMount(mount.Host, root + mount.Inside, ReadOnly: true),
    ];
}
