using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Engine.Docker;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Docker;

/// <summary>A warm container and what it was made of: <c>warm.json</c> of its directory.</summary>
/// <param name="Key">What runs must have in common with it at least; see <see cref="WarmSlots.TryTake"/>.</param>
/// <param name="Order">All that it was made of: <see cref="OrderOf"/>.</param>
/// <param name="ContainerId">The container.</param>
/// <param name="Git">The git that captures in it.</param>
/// <param name="MadeAt">When it was made.</param>
internal sealed record WarmSlot(
    string Key, string Order, string ContainerId, CaptureGit? Git, DateTimeOffset MadeAt)
{
    /// <summary>The record's name in a directory.</summary>
    internal const string FileName = "warm.json";

    private const string Here = "{here}";

    /// <summary>The record in a directory, or null.</summary>
    internal static WarmSlot? Of(RunDirectory directory) =>
        ExecutionRecords.Read(PathIn(directory), WarmJson.Default.WarmSlot);

    /// <summary>Whether a directory has one.</summary>
    internal static bool IsIn(RunDirectory directory) => File.Exists(PathIn(directory));

    /// <summary>Takes it back.</summary>
    internal static void Delete(RunDirectory directory) => File.Delete(PathIn(directory));

    /// <summary>Writes it.</summary>
    internal void Write(RunDirectory directory) =>
        ExecutionRecords.Write(PathIn(directory), this, WarmJson.Default.WarmSlot);

    /// <summary>
    /// All that a container is made of, as a text that is the same for two containers of the same kind: the whole
    /// order, with the directory's own path left out, and which file or folder is really at each path that is mounted.
    /// </summary>
    /// <param name="root">The directory, without links.</param>
    /// <param name="order">The order of a warm container.</param>
    /// <param name="supervisor">The program that is started at once, and not when the run begins.</param>
    internal static string OrderOf(string root, ContainerOrder order, string supervisor)
    {
        var mounts = order.HostConfig.Mounts;
        var general = order with
        {
            HostConfig = order.HostConfig with
            {
                Mounts = [.. mounts.Select(mount => mount with { Source = General(root, mount.Source) })],
            },
        };
        return string.Join(
            '\n',
            [
                JsonSerializer.Serialize(general, DockerJson.Default.ContainerOrder),
                RunImageBuild.MarkOf(supervisor),
                .. mounts.Select(mount => $"{General(root, mount.Source)} {FileIdentity.Of(mount.Source)}"),
            ]);
    }

    private static string General(string root, string path) =>
        RealPath.IsWithin(path, root) ? Here + path[root.Length..] : path;

    private static string PathIn(RunDirectory directory) => Path.Combine(directory.Root, FileName);
}

/// <summary>How it is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(WarmSlot))]
internal sealed partial class WarmJson : JsonSerializerContext;
