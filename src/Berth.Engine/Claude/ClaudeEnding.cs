using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>What one of the CLI's own words for an end means to us: how it ended, under which code, and who has to
/// act.</summary>
/// <param name="End">How the agent ended.</param>
/// <param name="Code">The code of the failure.</param>
/// <param name="What">The beginning of its message; what the CLI said follows.</param>
/// <param name="Hint">What to do next.</param>
/// <param name="Fault">Who has to act.</param>
internal sealed record ClaudeEnding(ClaudeEnd End, string Code, string What, string Hint, Fault Fault)
{
    private const string Later = "Try again later; the run's work until then is kept.";
    private const string Reports = "Look at the end of 'berth logs' for what it did last.";
    private const string GoOn = "berth run WORKFLOW MESSAGE --continue RUN goes on with the conversation.";
    private const string Credential =
        "Check ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN of the operator.";

    /// <summary>The prompt does not fit.</summary>
    public static ClaudeEnding PromptTooLong { get; } = new(
        ClaudeEnd.TooLong, "prompt_too_long", "The prompt, or what came of it, is longer than the model can read",
        "Shorten the prompt; long material belongs into files of the repository.", Fault.User);

    /// <summary>The conversation has filled what the model can read.</summary>
    public static ClaudeEnding ContextFull { get; } = new(
        ClaudeEnd.TooLong, "context_full", "The conversation has filled the model's context window",
        "Ask for a smaller thing, or for reading in smaller parts. Its work until then is kept.", Fault.Agent);

    /// <summary>Summing up does not help, because the context is full again at once.</summary>
    public static ClaudeEnding Thrashing { get; } = new(
        ClaudeEnd.TooLong, "compaction_thrashing",
        "The conversation was summed up again and again, because a file or a tool's output filled it each time",
        "Have the agent read large files and outputs in smaller parts. Its work until then is kept.", Fault.Agent);

    /// <summary>An image or document is refused.</summary>
    public static ClaudeEnding Media { get; } = new(
        ClaudeEnd.TooLong, "media_rejected", "An image or document in the conversation was refused",
        "Leave it out, make it smaller, or convert it to text.", Fault.User);

    /// <summary>An answer was longer than answers may be, and so were the attempts to go on with it.</summary>
    public static ClaudeEnding OutputLimit { get; } = new(
        ClaudeEnd.GaveUp, "output_limit_reached", "The model's answers were longer than one answer may be",
        "Ask for smaller steps, or raise the limit with --env CLAUDE_CODE_MAX_OUTPUT_TOKENS=N. " + GoOn, Fault.Agent);

    /// <summary>A tool call could not be read, twice.</summary>
    public static ClaudeEnding ToolCallUnreadable { get; } = new(
        ClaudeEnd.GaveUp, "tool_call_unreadable", "The model made tool calls that could not be parsed", GoOn,
        Fault.Model);

    /// <summary>Answers without a word, to the end.</summary>
    public static ClaudeEnding EmptyAnswer { get; } = new(
        ClaudeEnd.GaveUp, "model_answer_empty", "The model answered with nothing, also when asked again", GoOn,
        Fault.Model);

    /// <summary>The model stopped in the middle and wants to be asked to go on.</summary>
    public static ClaudeEnding Paused { get; } = new(
        ClaudeEnd.GaveUp, "model_paused", "The model paused in the middle of its turn, and Claude did not go on", GoOn,
        Fault.Model);

    /// <summary>The CLI ended without asking the model anything.</summary>
    public static ClaudeEnding NoModelCall { get; } = new(
        ClaudeEnd.GaveUp, "model_not_called", "Claude ended as if it had succeeded, but never called the model",
        "The prompt was taken for a command or for blank; say in words what is to be done.", Fault.User);

    /// <summary>A hook of the repository's settings ended the turn.</summary>
    public static ClaudeEnding HookStopped { get; } = new(
        ClaudeEnd.GaveUp, "hook_stopped", "A hook stopped the agent before it was done",
        "Look at the hooks of the repository's .claude/settings.json, which count at trust full.", Fault.User);

    /// <summary>A tool call was put off, which nobody takes up in a run.</summary>
    public static ClaudeEnding ToolDeferred { get; } = new(
        ClaudeEnd.GaveUp, "tool_deferred", "A tool call was put off, and the agent stopped there",
        "Look at the hooks that defer tool calls; a run has nobody who takes them up. " + GoOn, Fault.User);

    /// <summary>It stopped in the middle for a reason that only interactive or cloud sessions know.</summary>
    public static ClaudeEnding Unfinished { get; } = new(
        ClaudeEnd.GaveUp, "claude_unfinished", "Claude stopped in the middle of its work", GoOn, Fault.Agent);

    /// <summary>Interrupted, and nothing followed.</summary>
    public static ClaudeEnding Interrupted { get; } = new(
        ClaudeEnd.Interrupted, "claude_interrupted", "Claude's turn was interrupted, and nothing else was said to it",
        GoOn + " Where nobody used berth interrupt, something on the machine sent SIGINT.", Fault.Nobody);

    /// <summary>The limit of turns.</summary>
    public static ClaudeEnding MaxTurns { get; } = new(
        ClaudeEnd.MaxTurns, "max_turns_reached", "Claude reached its limit of turns",
        "Go on with --continue and more --max-turns, or a smaller thing to do. Its work until then is kept.",
        Fault.Nobody);

    /// <summary>The limit of money.</summary>
    public static ClaudeEnding Budget { get; } = new(
        ClaudeEnd.Budget, "budget_reached", "Claude reached its limit of money",
        "Go on with --continue and more --max-budget-usd. What it had done until then is kept.", Fault.Nobody);

    /// <summary>Output of a required form was never given.</summary>
    public static ClaudeEnding Structured { get; } = new(
        ClaudeEnd.GaveUp, "structured_output_invalid", "Claude gave no output of the required form",
        "Look at the end of 'berth logs' for what it gave.", Fault.Agent);

    /// <summary>The CLI's own loop failed.</summary>
    public static ClaudeEnding QueryFailed { get; } = new(
        ClaudeEnd.GaveUp, "claude_query_failed", "Claude's own handling of an answer failed", Reports, Fault.Agent);

    /// <summary>It gave up and said so.</summary>
    public static ClaudeEnding Failed { get; } = new(
        ClaudeEnd.GaveUp, "claude_failed", "Claude gave up", Reports, Fault.Agent);

    /// <summary>A word that this version of Berth does not know.</summary>
    public static ClaudeEnding Unknown { get; } = new(
        ClaudeEnd.GaveUp, "claude_end_unknown", "Claude ended in a way that this version of Berth does not know",
        "Look at the end of 'berth logs'. Where another version of Claude Code than the pinned one is used, use that "
            + "one; else please report it.", Fault.Berth);

    /// <summary>The conversation to go on with is missing.</summary>
    public static ClaudeEnding NoSession { get; } = new(
        ClaudeEnd.NotStarted, "session_not_found", "The conversation to go on with is not there",
        "Start a new one, or look for the run that holds it with 'berth ps --all'.", Fault.User);

    /// <summary>The model refuses.</summary>
    public static ClaudeEnding Refused { get; } = new(
        ClaudeEnd.Refused, "model_refused", "The model refused to answer", "Word the request in another way.",
        Fault.Model);

    /// <summary>A rule of the organization or of the service keeps the request back.</summary>
    public static ClaudeEnding Blocked { get; } = new(
        ClaudeEnd.Refused, "model_request_blocked", "A policy of the organization or of the model's service blocked it",
        "Ask who administers the account; word the request in another way.", Fault.Operator);

    /// <summary>The credential is not accepted.</summary>
    public static ClaudeEnding Authentication { get; } = Api(
        "model_authentication_failed", "The model's service did not accept the credential", Credential, Fault.Operator);

    /// <summary>Somebody has to pay.</summary>
    public static ClaudeEnding Billing { get; } = Api(
        "model_billing", "The model's service wants payment", "Look at the account's credit.", Fault.Operator);

    /// <summary>No such model, or not for this account.</summary>
    public static ClaudeEnding ModelNotFound { get; } = Api(
        "model_not_found", "The model is not known or not open to you",
        "Name another: --model. With an ANTHROPIC_BASE_URL of your own, check its path.", Fault.User);

    /// <summary>Too many requests.</summary>
    public static ClaudeEnding RateLimited { get; } = Api(
        "model_rate_limited", "The model's service had too many requests", Later, Fault.Model);

    /// <summary>A usage limit of the account.</summary>
    public static ClaudeEnding UsageLimit { get; } = Api(
        "model_rate_limited", "The account's usage limit is reached", Later, Fault.Operator);

    /// <summary>Overloaded.</summary>
    public static ClaudeEnding Overloaded { get; } = Api(
        "model_overloaded", "The model's service is overloaded", Later, Fault.Model);

    /// <summary>An error on the side of the service.</summary>
    public static ClaudeEnding ServerError { get; } = Api(
        "model_server_error", "The model's service failed", Later, Fault.Model);

    /// <summary>A request that it does not take.</summary>
    public static ClaudeEnding Rejected { get; } = Api(
        "model_rejected_request", "The model's service rejected the request",
        "Look at 'berth logs'; the model may not know one of the options.", Fault.User);

    /// <summary>No way there.</summary>
    public static ClaudeEnding Unreachable { get; } = Api(
        "model_unreachable", "The model's service could not be reached", "Check ANTHROPIC_BASE_URL and the network.",
        Fault.Operator);

    /// <summary>Something answered, but not the Messages API.</summary>
    public static ClaudeEnding AnswerInvalid { get; } = Api(
        "model_answer_invalid", "What answered in the place of the model's service does not speak its protocol",
        "Check ANTHROPIC_BASE_URL, and which proxy or gateway answers there.", Fault.Operator);

    /// <summary>An answer that stopped coming.</summary>
    public static ClaudeEnding Stalled { get; } = Api(
        "model_stalled", "The model's answer stopped coming", Later, Fault.Model);

    /// <summary>A status without a meaning of its own.</summary>
    public static ClaudeEnding OtherStatus { get; } = Api(
        "model_failed", "The model's service failed", Later, Fault.Model);

    /// <summary>The service wants a newer CLI.</summary>
    public static ClaudeEnding CliTooOld { get; } = new(
        ClaudeEnd.ApiError, "cli_too_old", "The model's service wants a newer version of Claude Code",
        "Name another model, or update Berth, which pins the version; BERTH_CLAUDE can name another one.",
        Fault.Operator);

    /// <summary>Settings of the machine or organization keep it from starting.</summary>
    public static ClaudeEnding SettingsRefused { get; } = new(
        ClaudeEnd.NotStarted, "claude_settings_refused", "Settings of the machine or organization keep Claude from "
            + "starting", "Look at /etc/claude-code/managed-settings.json and the organization's policy.",
        Fault.Operator);

    /// <summary>Something around it is not as it needs it.</summary>
    public static ClaudeEnding SurroundingsRefused { get; } = new(
        ClaudeEnd.NotStarted, "claude_startup_failed", "Claude could not begin", "Run 'berth doctor'; it says what is "
            + "missing and how to mend it.", Fault.Operator);

    /// <summary>We called it in a way that it does not take.</summary>
    public static ClaudeEnding CalledWrongly { get; } = new(
        ClaudeEnd.NotStarted, "claude_usage", "Claude refused how it was called", Reports, Fault.Berth);

    /// <summary>As a failure, with what the CLI said.</summary>
    /// <param name="said">The CLI's own words; may be empty.</param>
    public Failure ToFailure(string said) =>
        new(Code, said.Length == 0 ? $"{What}." : $"{What}: {said}", Hint, Fault);

    private static ClaudeEnding Api(string code, string what, string hint, Fault fault) =>
        new(ClaudeEnd.ApiError, code, what, hint, fault);
}
