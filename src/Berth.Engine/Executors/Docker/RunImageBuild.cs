using System.Formats.Tar;
using System.Globalization;
using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>What a run image is to be made of.</summary>
/// <param name="Tag">Its name.</param>
/// <param name="Base">The image to start from.</param>
/// <param name="Network">The network of the build: <c>default</c>, <c>host</c> or <c>none</c>.</param>
internal sealed record RunImageOrder(string Tag, string Base, string Network);

/// <summary>A run image that was made.</summary>
/// <param name="Image">Its name.</param>
/// <param name="Id">Its id.</param>
/// <param name="Base">What it was made from.</param>
/// <param name="Bytes">Its size.</param>
internal sealed record RunImage(string Image, string Id, string Base, long Bytes);

/// <summary>Makes the run image: a base with git, the CLI and the supervisor.</summary>
internal sealed class RunImageBuild(string supervisorPath, DockerClient docker)
{
    /// <summary>The image that it starts from where nobody names one.</summary>
    internal const string UsualBase = "debian:bookworm-slim";

    /// <summary>The label that says from which file of the CLI an image was made.</summary>
    internal const string ClaudeLabel = "berth.claude";

    /// <summary>The label that says from which supervisor an image was made.</summary>
    internal const string SupervisorLabel = "berth.supervisor";

    private const UnixFileMode Program = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Names the very file at a path: changed or replaced it has another name.</summary>
    internal static string MarkOf(string path)
    {
        var file = new FileInfo(path);
        return string.Create(CultureInfo.InvariantCulture, $"{file.Length}-{file.LastWriteTimeUtc.Ticks:x}");
    }

    /// <summary>Makes it.</summary>
    /// <param name="order">Of what.</param>
    /// <param name="claudeBinary">The CLI as a host path, or null where none was found.</param>
    /// <param name="progress">Takes the daemon's words, line by line.</param>
    /// <param name="cancel">Gives it up.</param>
    /// <exception cref="FailureException"><c>image_build_failed</c>, and whatever is wrong with CLI or
    /// daemon.</exception>
    internal async Task<RunImage> RunAsync(
        RunImageOrder order, string? claudeBinary, Action<string> progress, CancellationToken cancel)
    {
        var claude = claudeBinary is null ? "" : ClaudeProgram.Resolve(claudeBinary);
        if (ClaudeProgram.Inspect(claude) is { } wrong)
        {
            throw new FailureException(wrong);
        }

        if (!File.Exists(supervisorPath))
        {
            throw new FailureException(Missing.Supervisor(supervisorPath));
        }

        var build = new ImageBuild(order.Tag, order.Network, new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["BASE"] = order.Base,
            ["CLAUDE"] = MarkOf(claude),
            ["SUPERVISOR"] = MarkOf(supervisorPath),
        });
        var refusal = await docker.BuildAsync(
            build, (stream, token) => WriteAsync(stream, claude, token), progress, cancel);
        if (refusal is not null || await docker.FindImageAsync(order.Tag, cancel) is not { } image)
        {
            throw new FailureException(
                "image_build_failed",
                $"The image {order.Tag} could not be made from {order.Base}: {refusal ?? "it is not there"}",
                "The lines above say at which step. Without a registry in reach, name an image that the daemon has "
                + "with --base; behind a proxy or without a bridge, try --network host.",
                Fault.Operator);
        }

        return new RunImage(order.Tag, image.Id, order.Base, image.Size);
    }

    private async Task WriteAsync(Stream stream, string claude, CancellationToken cancel)
    {
        await using var tar = new TarWriter(stream, TarEntryFormat.Pax, leaveOpen: true);
        await using var recipe = typeof(RunImageBuild).Assembly.GetManifestResourceStream("run-image.Dockerfile")!;
        var entry = new PaxTarEntry(TarEntryType.RegularFile, "Dockerfile") { DataStream = recipe };
        await tar.WriteEntryAsync(entry, cancel);
        await AddAsync(tar, claude, "claude", cancel);
        await AddAsync(tar, supervisorPath, "berth", cancel);
    }

    private static async Task AddAsync(TarWriter tar, string path, string folder, CancellationToken cancel)
    {
        await using var file = File.OpenRead(path);
        var entry = new PaxTarEntry(TarEntryType.RegularFile, $"{folder}/{Path.GetFileName(path)}")
        {
            DataStream = file,
            Mode = Program,
            ModificationTime = new DateTimeOffset(File.GetLastWriteTimeUtc(path)),
        };
        await tar.WriteEntryAsync(entry, cancel);
    }
}
