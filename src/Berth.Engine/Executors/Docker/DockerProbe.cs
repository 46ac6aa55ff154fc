using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>Looks at every layer that a run in a container stands on.</summary>
internal sealed class DockerProbe(DockerExecutorOptions options, DockerClient docker)
{
    /// <summary>Looks at all of them.</summary>
    internal async Task<ExecutorProbe> ProbeAsync(
        ExecutionPolicy policy, string? claudeBinary, CancellationToken cancellation)
    {
        var info = new DockerInfo();
        var checks = new List<ProbeCheck>();
        try
        {
            var version = await docker.VersionAsync(cancellation);
            checks.Add(new ProbeCheck(
                "docker", true, $"{docker.Endpoint.Text}, version {version.Version}, API {version.ApiVersion}"));
            var image = docker.FindImageAsync(policy.Image ?? options.Image, cancellation);
            info = await docker.InfoAsync(cancellation);
            checks.Add(UsersCheck(info));
            checks.Add(ImageCheck(policy.Image ?? options.Image, await image));
            checks.Add(LimitCheck(ProbeCheck.MemoryLimit, info.MemoryLimit));
            checks.Add(LimitCheck(ProbeCheck.ProcessLimit, info.PidsLimit));
            checks.Add(LimitCheck(ProbeCheck.CpuLimit, info.CpuCfsQuota));
        }
        catch (FailureException failed)
        {
            checks.Add(Bad("docker", failed.Failure));
        }

        checks.Add(File.Exists(options.SupervisorPath)
            ? new ProbeCheck("supervisor", true, options.SupervisorPath)
            : Bad("supervisor", Missing.Supervisor(options.SupervisorPath)));
        checks.Add(ClaudeCheck(claudeBinary));
        return new ExecutorProbe(
            DockerExecutor.ModeName,
            checks,
            new ExecutorCapabilities(
                Sandboxed: true, NetworkIsolated: true, info.MemoryLimit, info.PidsLimit, info.CpuCfsQuota));
    }

    private static ProbeCheck Bad(string name, Failure failure) =>
        new(name, false, failure.Message, failure.Hint) { Code = failure.Code };

    private static ProbeCheck LimitCheck(string name, bool isThere) => isThere
        ? new ProbeCheck(ProbeCheck.OfDocker + name, true, "by the container's control group")
        : new ProbeCheck(
            ProbeCheck.OfDocker + name,
            false,
            "the daemon cannot set it",
            "Enable the kernel's controller and restart Docker")
        {
            Required = false,
            Code = "limit_not_available",
        };

    // There the agent's files would belong to a number that this user can neither read nor remove.
    private static ProbeCheck UsersCheck(DockerInfo info)
    {
        var remapped = info.SecurityOptions?.FirstOrDefault(option =>
            option.StartsWith("name=rootless", StringComparison.Ordinal)
            || option.StartsWith("name=userns", StringComparison.Ordinal));
        return remapped is null
            ? new ProbeCheck("docker users", true, "containers have the users of this machine")
            : new ProbeCheck(
                "docker users",
                false,
                $"the daemon gives containers users of their own ({remapped})",
                "Use a daemon without rootless mode and userns-remap, or local mode")
            {
                Code = "docker_users_remapped",
            };
    }

    private static ProbeCheck ClaudeCheck(string? claudeBinary)
    {
        var program = claudeBinary is null ? "" : ClaudeProgram.Resolve(claudeBinary);
        return ClaudeProgram.Inspect(program) is { } wrong
            ? Bad("claude", wrong)
            : new ProbeCheck("claude", true, program);
    }

    private ProbeCheck ImageCheck(string name, ImageDetails? image)
    {
        const string Name = "run image";
        return image switch
        {
            null => Bad(Name, ContainerFailures.ImageMissing(name, options.Image, docker.Endpoint)),
            { Os: not "linux" } => Bad(Name, new Failure(
                "image_not_linux",
                $"The image '{name}' is for {image.Os}.",
                "Name a Linux image with --image.",
                Fault.User)),
            _ => new ProbeCheck(Name, true, $"{name}, {image.Id[..Math.Min(image.Id.Length, 19)]}"),
        };
    }
}
