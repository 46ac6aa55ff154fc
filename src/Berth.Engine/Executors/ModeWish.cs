using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>The mode that a run is to have, before anybody has looked whether it can be had.</summary>
/// <param name="Mode"><c>local</c>, <c>docker</c> or <c>auto</c>.</param>
/// <param name="AskedBy">Who named it, for people: <c>--mode</c>, <c>the workflow</c>, <c>CLAUDE_CODE_MODE</c>,
/// <c>the roll-out of LocalMode (25 %)</c>, <c>the default</c>.</param>
internal sealed record ModeWish(string Mode, string AskedBy)
{
    /// <summary>Whether nobody has named a mode, so that it is the one that holds then.</summary>
    public bool IsDefault { get; init; }

    /// <summary>Whether this home lets no run be local.</summary>
    public bool LocalIsOff { get; init; }

    /// <summary>The failure of a run that would have to be local where none may be.</summary>
    public FailureException RefusedForLocalIsOff(string whatItSays) => new(
        "local_mode_off",
        $"{AskedBy} says {whatItSays}, and no run may be local here: the feature flag LocalMode is off.",
        "Use mode docker; or let runs be local: BERTH_LOCAL_MODE=on, or \"localMode\": \"on\" in berth.json.",
        Fault.Operator);

    /// <summary>The failure as who named no mode has to read it: he may not know why it is about Docker.</summary>
    public Failure Explained(Failure failure)
    {
        var isOfDocker = failure.Code.StartsWith("docker_", StringComparison.Ordinal)
            || failure.Code.StartsWith("image_", StringComparison.Ordinal);
        return IsDefault && !LocalIsOff && isOfDocker
            ? failure with
            {
                Hint = $"{failure.Hint.TrimEnd('.')}. Docker is only the default: --mode local does without it, "
                    + "and so does CLAUDE_CODE_MODE=local (or auto: Docker where there is one).",
            }
            : failure;
    }
}
