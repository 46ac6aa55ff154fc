using Berth.Engine.Executors;
using Berth.SystemTests.Executors;

namespace Berth.SystemTests.Network;

/// <summary>The network policies over containers of a real Docker daemon.</summary>
public sealed class DockerNetworkTests : NetworkConformance
{
    private protected override ExecutorStage Stage { get; } =
        new(SandboxKind.Container, DockerExecutorTests.NewExecutor);
}
