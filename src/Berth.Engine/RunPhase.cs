namespace Berth.Engine;

/// <summary>The phases that a host takes the time of; the supervisor takes those of the run and of capture.</summary>
internal enum RunPhase
{
    Prepare,
    Start,
    Capture,
    Deliver,
    Push,
    Cleanup,
}
