using System.Text.Json;

namespace Berth.Protocol;

/// <summary>One line of the journal.</summary>
/// <remarks>
/// A line of the agent that is a JSON object or array stands in <see cref="Data"/> as it is, but that invalid UTF-8
/// and half surrogate pairs have become U+FFFD and secrets <c>***</c>; any other is a JSON string, with the same
/// changes. A line longer than <see cref="ExecutionLimits.LineBytes"/> stands in several entries whose
/// <see cref="Data"/> are strings to be joined: all but the last have <see cref="More"/>. What a line has beyond
/// <see cref="ExecutionLimits.SpillBytes"/> is the file <see cref="Spill"/> in the run's spill folder, to be joined
/// after the data.
/// </remarks>
public sealed record JournalEntry
{
    /// <summary>The stream of what the agent wrote to standard output: stream-json events.</summary>
    public const string Stdout = "stdout";

    /// <summary>The stream of what the agent wrote to standard error.</summary>
    public const string Stderr = "stderr";

    /// <summary>The stream of what Berth has to say; its data has a <c>type</c>, one of
    /// <see cref="BerthEvents"/>.</summary>
    public const string Berth = "berth";

    /// <summary>How deep the agent's JSON may be nested; a deeper line stands as a string, because readers have a
    /// bound too.</summary>
    public const int MaxDataDepth = 500;

    /// <summary>The number of the entry, from 1, without gaps.</summary>
    public required long Seq { get; init; }

    /// <summary>When it was written, UTC.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Who said it: one of the constants above.</summary>
    public required string Stream { get; init; }

    /// <summary>What was said.</summary>
    public required JsonElement Data { get; init; }

    /// <summary>Whether the line goes on in the stream's next entry.</summary>
    public bool More { get; init; }

    /// <summary>The file in the spill folder that holds the rest of the line, or null.</summary>
    public string? Spill { get; init; }
}

/// <summary>The types of the events that Berth itself writes; the value of <c>data.type</c>.</summary>
public static class BerthEvents
{
    /// <summary>The first event, the host's: what runs, where and why there. <c>mode</c>, <c>modeReason</c>,
    /// <c>workflow</c>, ...</summary>
    public const string RunAccepted = "run_accepted";

    /// <summary>The supervisor's first event. <c>runId</c>, and <c>facts</c>: the spec's, as an object.</summary>
    public const string RunStarted = "run_started";

    /// <summary>A phase began. <c>phase</c>: prepare, start, run, capture, deliver, cleanup. The supervisor says run
    /// and capture, the host the others.</summary>
    public const string Phase = "phase";

    /// <summary>Something that people should know. <c>message</c>; where output was lost, <c>bytes</c>.</summary>
    public const string Notice = "notice";

    /// <summary>The agent was started. <c>pid</c>.</summary>
    public const string AgentStarted = "agent_started";

    /// <summary>The agent has ended. <c>exitCode</c>, <c>signal</c>.</summary>
    public const string AgentEnded = "agent_ended";

    /// <summary>A stage of the stop plan began. <c>stage</c>: interrupt, term, term_all, kill; <c>cause</c>.</summary>
    public const string Stopping = "stopping";

    /// <summary>There was no output for a while. <c>seconds</c>.</summary>
    public const string Idle = "idle";

    /// <summary>The journal is full; from here on only the result event is kept. <c>bytes</c>.</summary>
    public const string JournalFull = "journal_full";

    /// <summary>Capture has ended. <c>capture</c>: a <see cref="CaptureRecord"/>.</summary>
    public const string Captured = "captured";

    /// <summary>Processes outlived the agent and were killed. <c>count</c>.</summary>
    public const string LeftoversKilled = "leftovers_killed";

    /// <summary>The model's service refused for good, after the gateway's retries. <c>status</c>,
    /// <c>message</c>.</summary>
    public const string ModelRefused = "model_refused";

    /// <summary>The gateway did not forward a request of the agent's. <c>code</c>, <c>message</c>. Told up to a number,
    /// then only counted.</summary>
    public const string RequestRefused = "model_request_refused";

    /// <summary>A call of the model was not made: a budget is spent. <c>scope</c>, <c>name</c>, <c>limit</c>,
    /// <c>spent</c>, <c>message</c>. Said once in a run.</summary>
    public const string BudgetSpent = "budget_spent";

    /// <summary>A connection through the egress proxy has ended. <c>host</c>, <c>port</c>, <c>bytesUp</c>,
    /// <c>bytesDown</c>, <c>durationMs</c>; where there was none, <c>failure</c>.</summary>
    public const string NetworkConnection = "network_connection";

    /// <summary>The egress proxy refused a request. <c>reason</c>: not_allowed, private_address, bad_request or
    /// too_many; <c>host</c> and <c>port</c> where it named them, <c>message</c>.</summary>
    public const string NetworkRefused = "network_refused";

    /// <summary>A message was sent to the agent at work. <c>id</c>, <c>priority</c>, <c>by</c>, <c>text</c>. What
    /// became of it the CLI says: <c>command_lifecycle</c> with the id as <c>command_uuid</c>.</summary>
    public const string MessageSent = "message_sent";

    /// <summary>The agent's turn was to be ended. <c>by</c>.</summary>
    public const string TurnInterrupted = "turn_interrupted";

    /// <summary>No message came after an interrupt, or none was begun: the run ends.</summary>
    public const string TalkEnded = "talk_ended";

    /// <summary>A tool call waits for a decision. <c>call</c>, <c>tool</c>, <c>toolUseId</c>, <c>deadline</c>,
    /// <c>reason</c>, and <c>input</c> or, where that is longer than <see cref="LongestInput"/> bytes,
    /// <c>inputBytes</c>.</summary>
    public const string ApprovalRequested = "approval_requested";

    /// <summary>The decision, once for each call. <c>call</c>, <c>tool</c>, <c>toolUseId</c>, <c>decision</c>: allow,
    /// deny or withdrawn; <c>cause</c>: person, timeout, withdrawn, ended, too_large or too_many; <c>by</c>,
    /// <c>reason</c>.</summary>
    public const string ApprovalDecided = "approval_decided";

    /// <summary>A tool call was made that waited for a decision or was denied: the run is stopped.
    /// <c>toolUseId</c>.</summary>
    public const string ApprovalBypassed = "approval_bypassed";

    /// <summary>The longest input of a tool call that an event repeats, in bytes.</summary>
    public const int LongestInput = 16 * 1024;

    /// <summary>A host took over a run whose host had died.</summary>
    public const string Adopted = "adopted";

    /// <summary>The run's branch is where it belongs. <c>branch</c>, <c>commits</c>.</summary>
    public const string Delivered = "delivered";

    /// <summary>The run's branch is at its remote. <c>remote</c>, <c>branch</c>, <c>commit</c>.</summary>
    public const string Pushed = "pushed";

    /// <summary>A pull request was opened for it. <c>remote</c>, <c>url</c>.</summary>
    public const string PullRequestOpened = "pull_request_opened";

    /// <summary>The run's branch could not be brought to its remote, or has no pull request there. <c>remote</c>,
    /// <c>code</c>, <c>message</c>.</summary>
    public const string PushFailed = "push_failed";

    /// <summary>The last event: the run is final. <c>state</c>.</summary>
    public const string RunFinished = "run_finished";
}
