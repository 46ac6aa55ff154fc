using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Docker;

/// <summary>Who is who in a container.</summary>
/// <remarks>
/// The agent is a user that the server's user can clean up after: the server's own number, or, where the server is
/// root, a number that nobody on the machine has, to whom the agent's folders are given before the start. The
/// supervisor is the container's root in both cases, so that the agent has no hold on it.
/// </remarks>
internal static class ContainerUsers
{
    // Between the users of systemd (up to 65534) and those of user namespaces (from 100000) nobody hands out numbers.
    private const uint Nobodys = 70_023;

    /// <summary>The user that this program runs as, who owns the run directories.</summary>
    internal static ChildUser Owner { get; } = ChildUser.Current;

    /// <summary>The user that the agent runs as.</summary>
    internal static ChildUser Agent { get; } = Owner.Id == 0 ? new ChildUser(Nobodys, Nobodys) : Owner;

    /// <summary>Gives the agent what is the agent's. Nothing of it was touched by an agent yet.</summary>
    internal static void GiveFolders(RunDirectory run)
    {
        if (Agent == Owner)
        {
            return;
        }

        foreach (var folder in new[]
        {
            run.Workspace, run.Home, run.GatewayFolder, run.AgentFolder, run.CaptureFolder,
            run.ArtifactsInside,
        })
        {
            Ownership.Give(folder, Agent);
        }
    }

    /// <summary>Refuses a path that the agent could not read.</summary>
    internal static void CheckReadable(HostMount mount)
    {
        const UnixFileMode Others = UnixFileMode.OtherRead;
        const UnixFileMode OthersFolder = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        var needed = (Directory.Exists(mount.Host) ? OthersFolder : Others)
            | (mount.IsWritable ? UnixFileMode.OtherWrite : UnixFileMode.None);
        if (Agent != Owner && (File.GetUnixFileMode(mount.Host) & needed) != needed)
        {
            throw new FailureException(
                "mount_unreadable",
                $"The run was to have {mount.Host}, which the container's user may not "
                    + $"{(mount.IsWritable ? "write" : "read")}.",
                $"Type: chmod -R o+{(mount.IsWritable ? "rwX" : "rX")} {ShellText.Quoted(mount.Host)}",
                Fault.Operator);
        }
    }
}
