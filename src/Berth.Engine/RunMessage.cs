namespace Berth.Engine;

/// <summary>When the agent is to read a message.</summary>
internal enum MessagePriority
{
    /// <summary>At once: what it does is ended.</summary>
    Now,

    /// <summary>With the next step of the turn that it is in.</summary>
    Next,

    /// <summary>In a turn of its own, after all others.</summary>
    Later,
}

/// <summary>A message to a run at work.</summary>
/// <param name="Text">What is said. 1 byte to 256 KiB of UTF-8.</param>
/// <param name="Priority">When it is to be read.</param>
/// <param name="Id">A UUID of the sender's; a message is sent once however often it is asked for. Null for a new
/// one.</param>
internal sealed record RunMessage(string Text, MessagePriority Priority = MessagePriority.Next, string? Id = null);

/// <summary>How far a message has come.</summary>
internal enum MessageState
{
    /// <summary>The run has it; the agent has not said so yet.</summary>
    Sent,

    /// <summary>The agent has it.</summary>
    Queued,

    /// <summary>It is in the conversation.</summary>
    Started,

    /// <summary>The turn that it was in is over.</summary>
    Completed,
}

/// <summary>The receipt of a message.</summary>
/// <param name="Id">The message.</param>
/// <param name="RunId">To which run.</param>
/// <param name="State">How far it had come.</param>
internal sealed record MessageReceipt(string Id, string RunId, MessageState State);

/// <summary>What came of an interrupt.</summary>
/// <param name="RunId">The run.</param>
/// <param name="IsOver">Whether its turn was seen to end; false where the agent had not said so yet.</param>
internal sealed record InterruptReceipt(string RunId, bool IsOver);

/// <summary>Somebody's decision on a tool call that waits.</summary>
/// <param name="IsAllowed">Whether it may be made.</param>
/// <param name="Call">The number of the call; null for the only one that waits.</param>
/// <param name="Reason">What a denied agent is told: at most 4,096 characters; null for a word of ours.</param>
internal sealed record ApprovalDecision(bool IsAllowed, int? Call = null, string? Reason = null);

/// <summary>The receipt of a decision.</summary>
/// <param name="RunId">The run.</param>
/// <param name="Call">The number of the call.</param>
/// <param name="Decision"><c>allow</c> or <c>deny</c>.</param>
internal sealed record ApprovalReceipt(string RunId, int Call, string Decision);
