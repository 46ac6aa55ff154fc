using Berth.Engine;
using Berth.Engine.Executors;

namespace Berth.Commands;

/// <summary>What <c>berth doctor</c> says of modes: which one a run has that names none, and whether it
/// works.</summary>
internal static class DoctorModes
{
    /// <summary>Looks at it.</summary>
    /// <param name="options">The settings: mode and flag.</param>
    /// <param name="probes">What the modes that runs may have can do here.</param>
    /// <param name="workflows">The workflows that there are.</param>
    public static ProbeCheck Check(
        BerthOptions options, IReadOnlyList<ExecutorProbe> probes, IReadOnlyList<string> workflows)
    {
        var flag = options.LocalMode;
        var unknown = flag.Workflows.Except(workflows, StringComparer.Ordinal).ToList();
        if (unknown.Count > 0)
        {
            return new ProbeCheck(
                "mode",
                Ok: false,
                $"LocalMode is {flag.Text}, and there is no workflow {string.Join(", ", unknown)}",
                "berth workflows lists them; BERTH_LOCAL_MODE, or \"localMode\" in berth.json, names some of them")
            {
                Required = false,
                Code = "workflow_not_found",
            };
        }

        var (mode, source) = options.Mode is { } named
            ? (named, "by CLAUDE_CODE_MODE")
            : (RunModes.Default, "the default");
        var can = new Dictionary<string, bool>(StringComparer.Ordinal)
        {
            ["local"] = probes.Any(probe => probe is { Mode: "local", Ok: true }),
            ["docker"] = probes.Any(probe => probe is { Mode: "docker", Ok: true }),
        };
        can["auto"] = can["docker"] || can["local"];
        var instead = can["local"] ? "local" : can["docker"] ? "docker" : null;
        return new ProbeCheck(
            "mode",
            can[mode],
            $"{mode}, {source}{Rolled(options)}; {Said(flag)}",
            instead is null ? string.Empty : $"--mode {instead}, or export CLAUDE_CODE_MODE={instead}")
        {
            Required = false,
            Code = mode is "local" && flag.IsOff ? "local_mode_off" : "mode_not_available",
        };
    }

    private static string Rolled(BerthOptions options) =>
        options.Mode is null && options.LocalMode.IsRollOut ? " where LocalMode does not roll out local" : string.Empty;

    private static string Said(LocalModeFlag flag) => flag switch
    {
        { IsOff: true } => "LocalMode is off: no run may be local",
        { IsRollOut: true } => $"LocalMode is {flag.Text}",
        _ => "LocalMode is on: local where it is asked for",
    };
}
