using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>The failures that a result event tells.</summary>
internal static class ResultFailures
{
    private const int MaxQuote = 600;
    private const string Later = "Try again later; the run's work until then is kept.";

    /// <summary>What a result that is no success says.</summary>
    public static (ClaudeEnd End, Failure Failure) Of(ClaudeResult result, ClaudeEvidence evidence)
    {
        var said = OneLine(result.Text ?? string.Join("; ", result.Errors), MaxQuote);
        return result switch
        {
            { Subtype: "error_max_turns" } or { TerminalReason: "max_turns" } => (ClaudeEnd.MaxTurns, new(
                "max_turns_reached",
                Invariant($"Claude reached its limit of turns after {evidence.Turns}."),
                "Go on with --continue and more --max-turns, or a smaller thing to do. Its work until then is kept.",
                Fault.Nobody)),
            { Subtype: "error_max_budget_usd" } or { TerminalReason: "budget_exhausted" } => (ClaudeEnd.Budget, new(
                "budget_reached",
                Invariant($"Claude reached its limit of money; it spent about ${evidence.CostUsd:0.00##}."),
                "Go on with --continue and more --max-budget-usd. What it had done until then is kept.",
                Fault.Nobody)),
            { Subtype: "error_max_structured_output_retries" } => (ClaudeEnd.GaveUp, new(
                "structured_output_invalid",
                $"Claude gave no output of the required form: {said}",
                "Look at the end of 'berth logs' for what it gave.",
                Fault.Agent)),
            { TerminalReason: "aborted_streaming" or "aborted_tools" } => (ClaudeEnd.Interrupted, new(
                "claude_interrupted",
                "Claude's turn was interrupted, and nothing else was said to it.",
                "berth run WORKFLOW MESSAGE --continue RUN goes on with the conversation. Where nobody used berth "
                    + "interrupt, something on the machine sent SIGINT.",
                Fault.Nobody)),
            { TerminalReason: "blocking_limit" or "prompt_too_long" or "image_error" } => (ClaudeEnd.TooLong, new(
                "prompt_too_long",
                $"The prompt, or what came of it, is longer than the model can read: {said}",
                "Shorten the prompt; long material belongs into files of the repository.",
                Fault.User)),
            { StopReason: "refusal" } => (ClaudeEnd.Refused, new(
                "model_refused",
                $"The model refused to answer: {said}",
                "Word the request in another way.",
                Fault.Model)),
            { TerminalReason: "api_error" } or { Subtype: "success" } =>
                (ClaudeEnd.ApiError, Api(result.ApiErrorStatus, evidence, said)),
            _ when said.StartsWith("No conversation found", StringComparison.Ordinal) => (ClaudeEnd.NotStarted, new(
                "session_not_found",
                $"The conversation to go on with is not there: {said}",
                "Start a new one, or look for the run that holds it with 'berth ps --all'.",
                Fault.User)),
            _ => (ClaudeEnd.GaveUp, new(
                "claude_failed",
                $"Claude gave up ({result.Subtype ?? "no subtype"}, {result.TerminalReason ?? "no reason"}): {said}",
                "Look at the end of 'berth logs' for what it did last.",
                Fault.Agent)),
        };
    }

    /// <summary>Text as one line of a message: without line ends and control characters, and with its end cut
    /// off.</summary>
    public static string OneLine(string text, int max)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        var clean = string.Concat(line.Where(c => !char.IsControl(c)));
        return clean.Length <= max ? clean : $"{clean[..max]}...";
    }

    private static Failure Api(int? status, ClaudeEvidence evidence, string said)
    {
        var back = status is null ? said : Invariant($"status {status}, {said}");
        if (evidence.LimitEnds is { } ends)
        {
            return new Failure(
                "model_rate_limited",
                Invariant($"The account's usage limit is reached until {ends:yyyy-MM-dd HH:mm} UTC: {back}"),
                Later,
                Fault.Operator);
        }

        var (code, what, hint, fault) = (status, evidence.ApiError) switch
        {
            (401 or 403, _) or (null, "authentication_failed") => (
                "model_authentication_failed",
                "The model's service did not accept the credential",
                "Check ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN of the operator.",
                Fault.Operator),
            (402, _) or (_, "billing_error") => (
                "model_billing", "The model's service wants payment", "Look at the account's credit.", Fault.Operator),
            (404, _) or (_, "model_not_found") => (
                "model_not_found", "The model is not known or not open to you", "Name another: --model.", Fault.User),
            (429, _) => ("model_rate_limited", "The model's service had too many requests", Later, Fault.Model),
            (529, _) => ("model_overloaded", "The model's service is overloaded", Later, Fault.Model),
            (>= 500, _) => ("model_server_error", "The model's service failed", Later, Fault.Model),
            (400, _) => (
                "model_rejected_request",
                "The model's service rejected the request",
                "Look at 'berth logs'; the model may not know one of the options.",
                Fault.User),
            (null, _) => (
                "model_unreachable",
                "The model's service could not be reached, or gave no proper answer",
                "Check ANTHROPIC_BASE_URL and the network.",
                Fault.Operator),
            _ => ("model_failed", "The model's service failed", Later, Fault.Model),
        };
        return new Failure(code, $"{what}: {back}", hint, fault);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
