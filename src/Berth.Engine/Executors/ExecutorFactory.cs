using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Chooses the executor of a mode, and says why it was that one.</summary>
internal sealed class ExecutorFactory(Func<IExecutor> local, Func<IExecutor> docker, TimeProvider time)
{
    // Where the mode is left to us, a daemon that hangs must not hold up a run for which there is another way.
    private static readonly TimeSpan AutoLimit = TimeSpan.FromSeconds(3);

    /// <summary>The modes that can be named.</summary>
    public static IReadOnlyList<string> Modes { get; } = ["local", "docker", "auto"];

    /// <summary>Makes the executor of a mode that was decided.</summary>
    /// <param name="mode"><c>local</c> or <c>docker</c>.</param>
    /// <param name="askedBy">Who named it, for people: <c>--mode</c>, <c>the workflow</c>, <c>CLAUDE_CODE_MODE</c>,
    /// <c>the default</c>.</param>
    /// <exception cref="FailureException"><c>mode_unknown</c>.</exception>
    public ExecutorChoice CreateExecutor(string mode, string askedBy) => mode switch
    {
        "local" => new ExecutorChoice(local(), $"{askedBy} says local"),
        "docker" => new ExecutorChoice(docker(), $"{askedBy} says docker"),
        _ => throw new FailureException(
            "mode_unknown",
            $"{askedBy} asks for mode '{mode}', which does not exist.",
            $"Use one of: {string.Join(", ", Modes)}.",
            Fault.User),
    };

    /// <summary>Decides on a mode, and looks at what its executor can do here.</summary>
    /// <param name="mode">One of <see cref="Modes"/>.</param>
    /// <param name="askedBy">Who named it.</param>
    /// <param name="policy">What the run asks for.</param>
    /// <param name="claudeBinary">The CLI as a host path, or null where none was found.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="FailureException"><c>mode_unknown</c>, <c>sandbox_needs_local</c>.</exception>
    public async Task<ProbedChoice> ChooseAsync(
        string mode, string askedBy, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        if (mode is "auto")
        {
            return await ChooseByItselfAsync(askedBy, policy, claudeBinary, cancel);
        }

        if (mode is "docker" && policy.Sandbox == SandboxKind.None)
        {
            throw new FailureException(
                "sandbox_needs_local",
                $"{askedBy} asks for mode docker, and the run is to have no sandbox.",
                "A container is always a sandbox: leave out --sandbox none, or use --mode local.",
                Fault.User);
        }

        return await ProbedAsync(CreateExecutor(mode, askedBy), policy, claudeBinary, cancel);
    }

    private async Task<ProbedChoice> ChooseByItselfAsync(
        string askedBy, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        string why;
        if (policy.Sandbox == SandboxKind.None)
        {
            why = "a run without a sandbox is a local one";
        }
        else
        {
            using var limit = new CancellationTokenSource(AutoLimit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
            try
            {
                var choice = new ExecutorChoice(docker(), $"{askedBy} says auto, and Docker can be used");
                var probed = await ProbedAsync(choice, policy, claudeBinary, either.Token);
                if (probed.Probe.Ok)
                {
                    return probed;
                }

                why = $"Docker cannot be used: {probed.Probe.Failure!.Message}";
            }
            catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
            {
                why = $"Docker did not answer within {AutoLimit.TotalSeconds:0} s";
            }
            catch (FailureException failed)
            {
                why = $"Docker cannot be used: {failed.Failure.Message}";
            }
        }

        var instead = new ExecutorChoice(local(), $"{askedBy} says auto, and {why}");
        return await ProbedAsync(instead, policy, claudeBinary, cancel);
    }

    private static async Task<ProbedChoice> ProbedAsync(
        ExecutorChoice choice, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        var own = choice.Mode is "docker" ? policy with { Sandbox = SandboxKind.Container } : policy;
        return new ProbedChoice(choice, own, await choice.Executor.ProbeAsync(own, claudeBinary, cancel));
    }
}

/// <summary>The executor of a run.</summary>
/// <param name="Executor">The executor.</param>
/// <param name="Reason">Why it was chosen; goes into the run's record and its first event.</param>
internal sealed record ExecutorChoice(IExecutor Executor, string Reason)
{
    /// <summary>The mode in which the run runs.</summary>
    public string Mode => Executor.Mode;
}

/// <summary>An executor that was looked at for a run.</summary>
/// <param name="Choice">The executor, and why it was chosen.</param>
/// <param name="Policy">The run's policy as it is in that mode.</param>
/// <param name="Probe">What the executor can do here.</param>
internal sealed record ProbedChoice(ExecutorChoice Choice, ExecutionPolicy Policy, ExecutorProbe Probe);
