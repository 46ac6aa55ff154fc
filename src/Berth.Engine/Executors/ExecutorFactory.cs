using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Chooses the executor of a mode, and says why it was that one.</summary>
internal sealed class ExecutorFactory(Func<IExecutor> local)
{
    /// <summary>The modes that can be named.</summary>
    public static IReadOnlyList<string> Modes { get; } = ["local", "docker", "auto"];

    /// <summary>Makes the executor of a mode.</summary>
    /// <param name="mode">One of <see cref="Modes"/>.</param>
    /// <param name="askedBy">Who named it, for people: <c>--mode</c>, <c>the workflow</c>, <c>CLAUDE_CODE_MODE</c>,
    /// <c>the default</c>.</param>
    /// <exception cref="FailureException"><c>mode_not_available</c> or <c>mode_unknown</c>.</exception>
    public ExecutorChoice CreateExecutor(string mode, string askedBy) => mode switch
    {
        "local" => new ExecutorChoice(local(), $"{askedBy} says local"),
        "auto" => new ExecutorChoice(local(), $"{askedBy} says auto, and Docker mode is not available in this build"),
        "docker" => throw new FailureException(
            "mode_not_available",
            $"{askedBy} asks for mode docker, which is not available in this build.",
            "Use --mode local, or set CLAUDE_CODE_MODE=local.",
            Fault.User),
        _ => throw new FailureException(
            "mode_unknown",
            $"{askedBy} asks for mode '{mode}', which does not exist.",
            $"Use one of: {string.Join(", ", Modes)}.",
            Fault.User),
    };
}

/// <summary>The executor of a run.</summary>
/// <param name="Executor">The executor.</param>
/// <param name="Reason">Why it was chosen; goes into the run's record and its first event.</param>
internal sealed record ExecutorChoice(IExecutor Executor, string Reason)
{
    /// <summary>The mode in which the run runs.</summary>
    public string Mode => Executor.Mode;
}
