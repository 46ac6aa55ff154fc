using Berth.Protocol;

namespace Berth.Tests.Claude;

/// <summary>Exit records to judge by.</summary>
internal static class Exits
{
    public static ExitRecord With(int? code = null, int? signal = null, ExitCause cause = ExitCause.Exited) => new()
    {
        RunId = "r",
        Cause = cause,
        ExitCode = code,
        Signal = signal,
        AgentMs = 61_000,
        StartedAt = DateTimeOffset.UnixEpoch,
        EndedAt = DateTimeOffset.UnixEpoch,
    };
}
