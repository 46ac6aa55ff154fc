namespace Berth.Engine.Runs;

/// <summary>The states of a run, in the order in which they can follow each other; the last five are final.</summary>
internal enum RunState
{
    /// <summary>Accepted; waits for a free place.</summary>
    Queued,

    /// <summary>The workspace is being made.</summary>
    Preparing,

    /// <summary>The agent works.</summary>
    Running,

    /// <summary>The agent waits for somebody's decision on a tool call.</summary>
    Waiting,

    /// <summary>The agent is being stopped.</summary>
    Stopping,

    /// <summary>Its changes are being taken over and delivered.</summary>
    Capturing,

    /// <summary>The agent finished its work.</summary>
    Succeeded,

    /// <summary>It did not; the error says why and whose fault it was.</summary>
    Failed,

    /// <summary>Somebody cancelled it. What it had done is kept.</summary>
    Cancelled,

    /// <summary>The time limit passed. What it had done is kept.</summary>
    TimedOut,

    /// <summary>Its supervisor died or the machine was restarted; nothing more can be known.</summary>
    Lost,
}

/// <summary>What clean-up of a run came to.</summary>
internal enum CleanupState
{
    /// <summary>Nothing was made.</summary>
    NotNeeded,

    /// <summary>Not done yet.</summary>
    Pending,

    /// <summary>Nothing is left but the record and the journal; with <c>--keep</c> the workspace too.</summary>
    Done,

    /// <summary>Something is left, and is listed.</summary>
    Leaked,
}

/// <summary>What each state means for the flow.</summary>
internal static class RunStates
{
    /// <summary>Whether nothing follows this state.</summary>
    public static bool IsFinal(this RunState state) => state >= RunState.Succeeded;
}
