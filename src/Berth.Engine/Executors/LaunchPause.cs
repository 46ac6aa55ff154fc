namespace Berth.Engine.Executors;

/// <summary>How long to wait before looking again whether a supervisor has begun.</summary>
/// <remarks>
/// It begins some 40 ms after its start, so the first looks are close together. On a machine with too much to do they
/// take the processor from the very start that is waited for: 16 hosts that looked every 2 ms kept two processors
/// busy, and containers, which share one place among them, never began.
/// </remarks>
internal static class LaunchPause
{
    private const int Share = 16;
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(200);

    /// <summary>The pause after so long a wait: a sixteenth of it, 2 to 200 ms.</summary>
    internal static TimeSpan After(TimeSpan waited)
    {
        var share = waited / Share;
        return share < Shortest ? Shortest : share > Longest ? Longest : share;
    }
}
