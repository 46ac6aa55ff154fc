namespace Berth.Engine.Executors.Docker;

/// <summary>What a container is made for, whichever run has it in the end.</summary>
/// <param name="Policy">What is in it, and what it may use.</param>
/// <param name="ClaudeBinary">The CLI as a host path.</param>
internal sealed record ContainerShape(ExecutionPolicy Policy, string ClaudeBinary)
{
    /// <summary>The shape of an execution's container.</summary>
    internal static ContainerShape Of(ExecutionSpec spec) => new(spec.Policy, spec.ClaudeBinary);
}
