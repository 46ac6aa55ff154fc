using Berth.Engine.Processes;
using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>Chooses the executor of a mode, and says why it was that one.</summary>
internal sealed class ExecutorFactory(Func<IExecutor> local, Func<IExecutor> docker, TimeProvider time)
{
    // Where the mode is left to us, a daemon that hangs must not hold up a run for which there is another way.
    private static readonly TimeSpan AutoLimit = TimeSpan.FromSeconds(3);

    // A probe starts the CLI in a sandbox.
    private readonly RecentAnswers<ProbeSubject, ExecutorProbe> probes = new(probe => probe.Ok, time);

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
        _ => throw Unknown(mode, askedBy),
    };

    /// <summary>The failure of a mode that there is not.</summary>
    public static FailureException Unknown(string mode, string askedBy) => new(
        "mode_unknown",
        $"{askedBy} says '{mode}', and there is no such mode.",
        $"Use one of: {string.Join(", ", Modes)}.",
        Fault.User);

    /// <summary>Decides on a mode, and looks at what its executor can do here.</summary>
    /// <param name="wish">What was asked for, and by whom.</param>
    /// <param name="policy">What the run asks for.</param>
    /// <param name="claudeBinary">The CLI as a host path, or null where none was found.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="FailureException"><c>mode_unknown</c>, <c>local_mode_off</c>,
    /// <c>sandbox_needs_local</c>.</exception>
    public async Task<ProbedChoice> ChooseAsync(
        ModeWish wish, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        if (wish is { Mode: "local", LocalIsOff: true })
        {
            throw wish.RefusedForLocalIsOff("local");
        }

        if (wish.Mode is "auto")
        {
            return await ChooseByItselfAsync(wish, policy, claudeBinary, cancel);
        }

        if (wish.Mode is "docker" && policy.Sandbox == SandboxKind.None)
        {
            throw new FailureException(
                "sandbox_needs_local",
                $"{wish.AskedBy} says docker, and the run is to have no sandbox.",
                "A container is always a sandbox: leave out --sandbox none, or use --mode local.",
                Fault.User);
        }

        return await ProbedAsync(CreateExecutor(wish.Mode, wish.AskedBy), policy, claudeBinary, cancel);
    }

    private async Task<ProbedChoice> ChooseByItselfAsync(
        ModeWish wish, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        if (policy.Sandbox == SandboxKind.None)
        {
            return wish.LocalIsOff
                ? throw wish.RefusedForLocalIsOff("auto, and a run without a sandbox is a local one")
                : await LocalAsync("a run without a sandbox is a local one");
        }

        if (wish.LocalIsOff)
        {
            var only = new ExecutorChoice(docker(), $"{wish.AskedBy} says auto, and LocalMode is off");
            return await ProbedAsync(only, policy, claudeBinary, cancel);
        }

        using var limit = new CancellationTokenSource(AutoLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            var choice = new ExecutorChoice(docker(), $"{wish.AskedBy} says auto, and Docker can be used");
            var probed = await ProbedAsync(choice, policy, claudeBinary, either.Token);
            return probed.Probe.Ok
                ? probed
                : await LocalAsync($"Docker cannot be used: {probed.Probe.Failure!.Message}");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return await LocalAsync($"Docker did not answer within {AutoLimit.TotalSeconds:0} s");
        }
        catch (FailureException failed)
        {
            return await LocalAsync($"Docker cannot be used: {failed.Failure.Message}");
        }

        Task<ProbedChoice> LocalAsync(string why) => ProbedAsync(
            new ExecutorChoice(local(), $"{wish.AskedBy} says auto, and {why}"), policy, claudeBinary, cancel);
    }

    private async Task<ProbedChoice> ProbedAsync(
        ExecutorChoice choice, ExecutionPolicy policy, string? claudeBinary, CancellationToken cancel)
    {
        var own = choice.Mode is "docker" ? policy with { Sandbox = SandboxKind.Container } : policy;
        var probe = await probes.AskAsync(
            new ProbeSubject(choice.Mode, own.Sandbox, own.Image, claudeBinary),
            ending => choice.Executor.ProbeAsync(own, claudeBinary, ending),
            cancel);
        return new ProbedChoice(choice, own, probe);
    }

    // All that a probe looks at; what else a policy has is not tried by it.
    private sealed record ProbeSubject(string Mode, SandboxKind Sandbox, string? Image, string? ClaudeBinary);
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
