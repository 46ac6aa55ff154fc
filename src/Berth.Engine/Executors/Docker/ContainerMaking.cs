using Berth.Engine.Docker;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>Makes a container, and finds out which git captures in it.</summary>
internal sealed class ContainerMaking(DockerExecutorOptions options, ContainerPlan plan, DockerClient docker)
{
    /// <summary>The image of a container.</summary>
    /// <exception cref="FailureException"><c>image_missing</c>.</exception>
    internal async Task<ImageDetails> FindImageAsync(ExecutionPolicy policy, CancellationToken cancellation)
    {
        var wanted = policy.Image ?? options.Image;
        return await docker.FindImageAsync(wanted, cancellation)
            ?? throw new FailureException(ContainerFailures.ImageMissing(wanted, options.Image, docker.Endpoint));
    }

    /// <summary>Makes one, and does not start it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="wanted">What it is to be.</param>
    /// <param name="captures">Whether there will be changes to capture.</param>
    /// <returns>Its id, and the git; null where nothing is captured.</returns>
    internal async Task<(string Id, CaptureGit? Git)> CreateAsync(string name, WantedContainer wanted, bool captures)
    {
        var git = captures ? CaptureGit.SaidBy(wanted.Image) : null;
        var id = await CreateAsync(name, plan.Order(wanted, git));
        if (!captures || git is not null)
        {
            return (id, git);
        }

        git = await CaptureGit.FindAsync(docker, id, CancellationToken.None);
        if (git is null)
        {
            git = CaptureGit.OfMachine;
            _ = await docker.RemoveAsync(id, CancellationToken.None);
            id = await CreateAsync(name, plan.Order(wanted, git));
        }

        return (id, git);
    }

    private async Task<string> CreateAsync(string name, ContainerOrder order) =>
        await docker.CreateAsync(name, order, CancellationToken.None) ?? throw ContainerFailures.NameTaken(name);
}

/// <summary>A container that is to be made.</summary>
/// <param name="Directory">The directory that is mounted.</param>
/// <param name="RunId">The run; null for a warm one, which has none yet.</param>
/// <param name="Shape">What it is made for.</param>
/// <param name="Image">What it is made from.</param>
internal sealed record WantedContainer(
    RunDirectory Directory, string? RunId, ContainerShape Shape, ImageDetails Image);
