using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What the user should know before a run begins, as sentences.</summary>
internal static class RunNotices
{
    /// <summary>Makes them of what was found when the run was asked for.</summary>
    public static IEnumerable<string> Of(
        BerthOptions options,
        RepositoryFacts facts,
        ExecutorProbe probe,
        IReadOnlyDictionary<string, string> environment,
        ExecutionPolicy policy,
        string? workflowsImage = null)
    {
        foreach (var note in facts.Notes)
        {
            yield return note;
        }

        foreach (var note in OperatorVariables.Notices(options.Environment))
        {
            yield return note;
        }

        if (workflowsImage is not null && policy.Sandbox != SandboxKind.Container)
        {
            yield return $"The workflow's image {workflowsImage} is not used: "
                + "a local run works with this machine's own programs.";
        }

        if (policy.Sandbox == SandboxKind.None)
        {
            yield return "Weak isolation: without a sandbox the agent is your process and can read what you can read.";
        }

        else if (policy.Network.Mode == NetworkMode.Open)
        {
            yield return policy.Sandbox == SandboxKind.Container
                ? "Open network: the agent can send what it reads anywhere that the daemon's default network reaches."
                : "Open network: the agent can send what it reads anywhere, and reaches what listens on this machine's "
                    + "own loopback and abstract sockets.";
        }

        foreach (var check in probe.Checks.Where(
            check => check is { Ok: false, Required: false, Mend.Length: > 0 } && Concerns(options, check)))
        {
            yield return $"{check.Name}: {check.Detail}";
        }

        var shown = environment.Where(pair => pair.Value.Length is > 0 and < Redactor.ShortestValue)
            .Select(pair => pair.Key)
            .ToList();
        if (shown.Count > 0)
        {
            yield return $"Not redacted, for values under {Redactor.ShortestValue} characters cannot be: "
                + $"{string.Join(", ", shown)}.";
        }
    }

    // A limit that nobody asked for is not missed.
    private static bool Concerns(BerthOptions options, ProbeCheck check) => Plain(check.Name) switch
    {
        ProbeCheck.MemoryLimit => options.MemoryBytes is not null,
        ProbeCheck.ProcessLimit => options.Processes is not null,
        ProbeCheck.CpuLimit => options.Cpus is not null,
        ProbeCheck.TempLimit => options.TempBytes is not null,
        _ => true,
    };

    private static string Plain(string name) =>
        name.StartsWith(ProbeCheck.OfDocker, StringComparison.Ordinal) ? name[ProbeCheck.OfDocker.Length..] : name;
}
