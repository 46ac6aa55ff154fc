using Berth.Engine.Runs;

namespace Berth.Engine;

/// <summary>A run that a dispatcher will start.</summary>
/// <param name="Run">The run.</param>
/// <param name="IsNew">Whether it was this request that made it; false where its key had made it before.</param>
internal sealed record AcceptedRun(RunView Run, bool IsNew);
