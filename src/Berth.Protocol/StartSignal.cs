namespace Berth.Protocol;

/// <summary>How a supervisor that was started early is told to begin.</summary>
public static class StartSignal
{
    /// <summary>The supervisor's first argument, before the run directory: do nothing until a byte comes on standard
    /// input, and end without a trace when none does.</summary>
    public const string Word = "wait";
}
