using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>An executor's report: whether it can work here, what it can do, and what to type where it cannot.</summary>
/// <param name="Mode">The mode's name.</param>
/// <param name="Checks">Every layer that was looked at, in the order in which they build on each other.</param>
/// <param name="Capabilities">What it can do here.</param>
internal sealed record ExecutorProbe(string Mode, IReadOnlyList<ProbeCheck> Checks, ExecutorCapabilities Capabilities)
{
    /// <summary>Whether runs can be executed.</summary>
    public bool Ok => Checks.All(check => check.Ok || !check.Required);

    /// <summary>The first missing layer as a failure, or null where all is well.</summary>
    public Failure? Failure => Checks.FirstOrDefault(check => !check.Ok && check.Required) is { } missing
        ? new Failure(missing.Code, missing.Detail, missing.Mend, Fault.Operator)
        : null;
}

/// <summary>One layer that was looked at.</summary>
/// <param name="Name">What people call it: <c>bubblewrap</c>, <c>user namespaces</c>, <c>memory limit</c>.</param>
/// <param name="Ok">Whether it is there.</param>
/// <param name="Detail">What was found: a version, a path, what came back.</param>
/// <param name="Mend">What to type or to do where it is missing; empty where there is nothing to mend.</param>
internal sealed record ProbeCheck(string Name, bool Ok, string Detail, string Mend = "")
{
    /// <summary>The name of the check whether memory can be limited.</summary>
    public const string MemoryLimit = "memory limit";

    /// <summary>The name of the check whether processes can be limited.</summary>
    public const string ProcessLimit = "process limit";

    /// <summary>The name of the check whether processor time can be limited.</summary>
    public const string CpuLimit = "processor limit";

    /// <summary>What the name of such a check begins with where Docker sets the limit.</summary>
    public const string OfDocker = "docker ";

    /// <summary>The name of the check whether the size of /tmp can be limited.</summary>
    public const string TempLimit = "tmp limit";

    /// <summary>Whether no run is possible without it.</summary>
    public bool Required { get; init; } = true;

    /// <summary>The error code of a run that is refused for it; empty where it is there.</summary>
    public string Code { get; init; } = "";
}

/// <summary>What an executor can do here, as data.</summary>
/// <param name="Sandboxed">Whether the agent is isolated from the host.</param>
/// <param name="NetworkIsolated">Whether the agent has no network but the gateway.</param>
/// <param name="MemoryLimit">Whether memory can be limited.</param>
/// <param name="ProcessLimit">Whether the number of processes can be limited.</param>
/// <param name="CpuLimit">Whether processor time can be limited.</param>
internal sealed record ExecutorCapabilities(
    bool Sandboxed, bool NetworkIsolated, bool MemoryLimit, bool ProcessLimit, bool CpuLimit);
