using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Berth.Engine.Access;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Talks to runs at work: messages, interrupts, and decisions on tool calls.</summary>
internal sealed class RunTalk(
    RunStore runs, RunDirectories directories, ExecutorFactory executors, JournalReader journals, AuditStore audit,
    TimeProvider time)
{
    private const int MostMessageBytes = 256 * 1024;
    private const int MostReason = 4096;
    private static readonly TimeSpan ReceiptPatience = TimeSpan.FromSeconds(5);

    // Where the workflow does not say.
    private static readonly TimeSpan ApprovalTimeout = TimeSpan.FromMinutes(10);

    /// <summary>How long a tool call of a workflow waits for a decision; null where nobody is asked.</summary>
    public static TimeSpan? ApprovalTimeoutOf(WorkflowSettings workflow) =>
        workflow.Asks ? workflow.ApprovalTimeout ?? ApprovalTimeout : null;

    /// <summary>Sends a message.</summary>
    /// <param name="id">The run.</param>
    /// <param name="message">The message.</param>
    /// <param name="caller">Who sends it.</param>
    /// <param name="address">From where; empty for this machine.</param>
    /// <param name="cancel">Gives up waiting.</param>
    /// <exception cref="FailureException"><c>run_over</c>, <c>run_not_started</c>, <c>run_ending</c>,
    /// <c>messages_too_many</c>, <c>message_too_large</c>, <c>message_id_invalid</c>, <c>prompt_empty</c>,
    /// <c>prompt_invalid</c>.</exception>
    public async Task<MessageReceipt> SendAsync(
        string id, RunMessage message, Caller caller, string address, CancellationToken cancel)
    {
        var run = AtWork(id);
        var uuid = message.Id ?? Guid.NewGuid().ToString();
        var line = LineOf(message, uuid);

        // A message that was sent before has its receipts anywhere in the journal.
        var after = message.Id is null ? LastSeqOf(id) : 0;
        await AskAsync(run, ControlVerb.Message, line, caller, cancel);
        audit.Add(caller, "run.message", id, address);
        var state = MessageState.Sent;
        await foreach (var said in SaidAsync(id, after, cancel))
        {
            if (said.Text("type") is "command_lifecycle"
                && string.Equals(said.Text("command_uuid"), uuid, StringComparison.Ordinal)
                && Enum.TryParse(said.Text("state"), ignoreCase: true, out state))
            {
                break;
            }
        }

        return new MessageReceipt(uuid, id, state);
    }

    /// <summary>Ends the agent's turn, and not the run.</summary>
    /// <inheritdoc cref="SendAsync" path="/param"/>
    /// <exception cref="FailureException"><c>run_over</c>, <c>run_not_started</c>, <c>run_ending</c>.</exception>
    public async Task<InterruptReceipt> InterruptAsync(
        string id, Caller caller, string address, CancellationToken cancel)
    {
        var run = AtWork(id);
        var after = LastSeqOf(id);
        await AskAsync(run, ControlVerb.Interrupt, data: null, caller, cancel);
        audit.Add(caller, "run.interrupt", id, address);
        await foreach (var said in SaidAsync(id, after, cancel))
        {
            if (said.Text("type") is "result")
            {
                return new InterruptReceipt(id, IsOver: true);
            }
        }

        return new InterruptReceipt(id, IsOver: false);
    }

    /// <summary>Decides on a tool call that waits.</summary>
    /// <returns>On which call.</returns>
    /// <inheritdoc cref="SendAsync" path="/param"/>
    /// <exception cref="FailureException"><c>run_over</c>, <c>run_not_started</c>, <c>approval_not_found</c>,
    /// <c>approval_ambiguous</c>, <c>approval_decided</c>, <c>approval_needs_another</c>,
    /// <c>reason_too_long</c>.</exception>
    public async Task<ApprovalReceipt> DecideAsync(
        string id, ApprovalDecision decision, Caller caller, string address, CancellationToken cancel)
    {
        var run = AtWork(id);
        RefuseOwner(run, caller, address);
        if (decision.Reason is { Length: > MostReason })
        {
            throw Refusal(
                "reason_too_long", $"The reason has {decision.Reason.Length} characters; the most is {MostReason}.",
                "The agent needs no more than a sentence; a message can say the rest.");
        }

        var call = decision.Call ?? OnlyCall(id, run.Progress.Approvals.Calls);
        var request = new ControlRequest
        {
            Verb = ControlVerb.Decide,
            Answer = new ApprovalAnswer(call, decision.IsAllowed, decision.Reason),
            By = caller.Name,
        };
        await ExecutorOf(run).SendAsync(id, request, cancel);
        audit.Add(caller, decision.IsAllowed ? "run.approve" : "run.deny", id, address);
        return new ApprovalReceipt(id, call, decision.IsAllowed ? "allow" : "deny");
    }

    // A run of this machine's user has no owner in the table; he is the one who asks from no address.
    private static void RefuseOwner(RunRecord run, Caller caller, string address)
    {
        var isOwner = run.Plan.Ticket.CreatedBy is { } owner
            ? string.Equals(owner, caller.Name, StringComparison.Ordinal)
            : address.Length == 0;
        if (run.Plan.ApprovalsByOther && isOwner)
        {
            throw Refusal(
                "approval_needs_another",
                $"The run {run.Id} wants its tool calls decided by somebody else than who asked for it.",
                "Have another operator or an admin decide, with a token of his own.");
        }
    }

    // Of a run whose directory another home has there is none, and nobody here to ask, which is said then.
    private long LastSeqOf(string id)
    {
        var journal = directories.Of(id).JournalFile;
        return File.Exists(journal) ? JournalTail.Find(journal).LastSeq : 0;
    }

    private RunRecord AtWork(string id)
    {
        var run = runs.Find(id)!;
        if (run.State.IsFinal())
        {
            throw Refusal(
                "run_over", $"The run {id} has ended.",
                $"berth run {run.Plan.Workflow} MESSAGE --continue {id} goes on with its conversation.");
        }

        return run.State switch
        {
            RunState.Queued or RunState.Preparing => throw Refusal(
                "run_not_started", $"The agent of run {id} has not been started yet.",
                $"berth logs {id} --follow shows when it is."),
            RunState.Stopping or RunState.Capturing => throw Refusal(
                "run_ending", $"The run {id} is ending.",
                $"When it has ended, berth run {run.Plan.Workflow} MESSAGE --continue {id} goes on with it."),
            _ => run,
        };
    }

    /// <summary>The number of the only call that waits.</summary>
    /// <exception cref="FailureException"><c>approval_not_found</c>, <c>approval_ambiguous</c>.</exception>
    public static int OnlyCall(string id, IReadOnlyList<WaitingCall> waiting) => waiting switch
    {
        [var only] => only.Call,
        [] => throw Refusal(
            "approval_not_found", $"No tool call of run {id} waits for a decision.",
            $"berth show {id} lists the calls that wait."),
        var several => throw Refusal(
            "approval_ambiguous",
            $"{several.Count} tool calls of run {id} wait: {string.Join(", ", several.Select(each => each.Call))}.",
            "Name the CALL."),
    };

    private static JsonElement LineOf(RunMessage message, string uuid)
    {
        if (message.Text.Contains('\0', StringComparison.Ordinal))
        {
            throw Refusal("prompt_invalid", "The message holds a NUL character.", "Remove it.");
        }

        if (!Guid.TryParseExact(uuid, "D", out _))
        {
            throw Refusal("message_id_invalid", "The id of the message is no UUID.", "Make one with uuidgen.");
        }

        if (Encoding.UTF8.GetByteCount(message.Text) > MostMessageBytes)
        {
            throw Refusal(
                "message_too_large", $"The message has more than {MostMessageBytes} bytes.",
                "Put the long part into a file that the agent can read, or continue the run with a new prompt.");
        }

        var priority = message.Priority.ToString().ToLowerInvariant();
        var line = ClaudeCommandLine.UserLine(message.Text, uuid, priority);
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }

    private Task AskAsync(
        RunRecord run, ControlVerb verb, JsonElement? data, Caller caller, CancellationToken cancel) =>
        ExecutorOf(run).SendAsync(
            run.Id, new ControlRequest { Verb = verb, Data = data, By = caller.Name }, cancel);

    private IExecutor ExecutorOf(RunRecord run) =>
        executors.CreateExecutor(run.Plan.Mode, "the run's record").Executor;

    // What the agent says from now on, for as long as somebody may wait for a receipt.
    private async IAsyncEnumerable<JsonElement> SaidAsync(
        string id, long after,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        var began = time.GetTimestamp();
        await foreach (var entry in journals.ReadAsync(
            directories.Of(id), after, () => time.GetElapsedTime(began) > ReceiptPatience, cancel))
        {
            if (string.Equals(entry.Stream, JournalEntry.Stdout, StringComparison.Ordinal))
            {
                yield return entry.Data;
            }

            if (time.GetElapsedTime(began) > ReceiptPatience)
            {
                yield break;
            }
        }
    }

    private static FailureException Refusal(string code, string message, string hint) =>
        new(code, message, hint, Fault.User);
}
