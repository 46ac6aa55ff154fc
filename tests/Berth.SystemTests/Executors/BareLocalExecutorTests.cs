using Berth.Engine.Executors;

namespace Berth.SystemTests.Executors;

/// <summary>The conformance suite over local runs without a sandbox: weaker, but ended, captured and cleaned up all
/// the same.</summary>
public sealed class BareLocalExecutorTests : ExecutorConformance
{
    private protected override ExecutorStage Stage { get; } = new(SandboxKind.None, LocalExecutorTests.NewExecutor);
}
