using Berth.Engine.Executors;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Weighs what was said about a run's mode: the only place that knows who outranks whom.</summary>
internal static class RunModes
{
    /// <summary>The mode where nobody names one, and no roll-out takes the run.</summary>
    public const string Default = "docker";

    /// <summary>
    /// Decides by the first of these that says something: the request, its workflow, the setting, the roll-out of
    /// LocalMode, the default.
    /// </summary>
    /// <exception cref="FailureException"><c>mode_unknown</c>.</exception>
    public static async Task<ModeWish> WishAsync(
        BerthOptions options, RunRequest request, Workflow workflow, string runId)
    {
        var wish = (request.Mode, workflow.Settings.Mode, options.Mode) switch
        {
            ({ } asked, _, _) => new ModeWish(asked, "--mode"),
            (_, { } asked, _) => new ModeWish(asked, "the workflow"),
            (_, _, { } asked) => new ModeWish(asked, "CLAUDE_CODE_MODE"),
            _ => await UnsaidAsync(options, request, workflow, runId),
        };
        return ExecutorFactory.Modes.Contains(wish.Mode, StringComparer.Ordinal)
            ? wish with { LocalIsOff = options.LocalMode.IsOff }
            : throw ExecutorFactory.Unknown(wish.Mode, wish.AskedBy);
    }

    // Who names an image wants a container, though he names no mode.
    private static async Task<ModeWish> UnsaidAsync(
        BerthOptions options, RunRequest request, Workflow workflow, string runId)
    {
        var namesImage = (request.Image ?? workflow.Settings.Image) is not null;
        return !namesImage && await options.LocalMode.TakesAsync(runId, workflow.Name) is { } why
            ? new ModeWish("local", $"the roll-out of {LocalModeFlag.Name} ({why})")
            : new ModeWish(Default, "the default") { IsDefault = true };
    }
}
