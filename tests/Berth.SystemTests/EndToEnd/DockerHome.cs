using Berth.Engine.Docker;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What homes need for runs in both modes, and what tests look at in their Docker.</summary>
internal static class DockerHome
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A home whose runs can have either mode.</summary>
    public static async Task<BerthHome> CreateAsync()
    {
        var host = SystemTestEnvironment.DockerHost;
        var home = await BerthHome.CreateAsync(Cancel);
        home.Set("DOCKER_HOST", host);
        home.Set("BERTH_IMAGE", SystemTestEnvironment.RunImage);
        home.Set("BERTH_SUPERVISOR", SystemTestEnvironment.PublishedSupervisor);
        return home;
    }

    /// <summary>The containers of a run.</summary>
    public static async Task<IReadOnlyList<ContainerListing>> ContainersOfAsync(string id)
    {
        using var docker = new DockerClient(
            DockerEndpoint.Parse(SystemTestEnvironment.DockerHost), TimeProvider.System);
        return await docker.ListAsync($"berth.run={id}", Cancel);
    }
}
