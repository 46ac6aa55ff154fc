using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>The failures that a result event tells.</summary>
internal static class ResultFailures
{
    private const int MaxQuote = 600;
    private const int MaxWord = 60;

    /// <summary>What a result that is no success says.</summary>
    public static (ClaudeEnd End, Failure Failure) Of(ClaudeResult result, ClaudeEvidence evidence)
    {
        var said = OneLine(result.Text ?? string.Join("; ", result.Errors), MaxQuote);
        if (evidence.LimitEnds is { } ends && result is not { ApiErrorKind: not null and not "usage_limit_reached" })
        {
            var limit = ClaudeEnding.UsageLimit;
            return (limit.End, limit.ToFailure(Invariant($"until {ends:yyyy-MM-dd HH:mm} UTC: {said}")));
        }

        // A message that the model itself wrote may say anything; only what has no kind is judged by its text.
        var ending = Typed(result, evidence) ?? OfApiError(result, evidence) ?? EndingTable.OfText(said)
            ?? Untyped(result);
        return (ending.End, ending.ToFailure(Words(ending, result, evidence, said)));
    }

    /// <summary>Why a result that calls itself a success is none, or null where it is one.</summary>
    /// <remarks>
    /// A turn that was paused, cut off or stopped in the middle is not what was asked for, although nothing went wrong
    /// with it. A hook that only forbade to go on after the end, and words that are not known, are warned of.
    /// </remarks>
    public static (ClaudeEnd End, Failure Failure)? OfSuccess(ClaudeResult result, ClaudeEvidence evidence)
    {
        var ending = result.TerminalReason is "stop_hook_prevented"
            ? null
            : EndingTable.TerminalReasons.Find(result.TerminalReason);
        ending ??= EndingTable.StopReasons.Find(result.StopReason);
        if (ending is null && !evidence.HasAnswer && result.Turns == 0)
        {
            ending = ClaudeEnding.NoModelCall;
        }

        return ending is null
            ? null
            : (ending.End, ending.ToFailure(OneLine(result.Text ?? string.Empty, MaxQuote)));
    }

    /// <summary>What people should know of a success.</summary>
    public static IEnumerable<string> Doubts(ClaudeResult result)
    {
        if (result.TerminalReason is { } reason and not "completed")
        {
            yield return $"Claude calls it a success but ended by '{OneLine(reason, MaxWord)}'.";
        }

        if (EndingTable.StopReasons.Misses(result.StopReason))
        {
            yield return "The model stopped its last answer for a reason that Berth does not know: "
                + $"'{OneLine(result.StopReason!, MaxWord)}'.";
        }

        if (string.IsNullOrWhiteSpace(result.Text))
        {
            yield return "Claude's last answer was empty.";
        }
    }

    /// <summary>Text as one line of a message: without line ends and control characters, and with its end cut
    /// off.</summary>
    public static string OneLine(string text, int max)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        var clean = string.Concat(line.Where(c => !char.IsControl(c)));
        return clean.Length <= max ? clean : $"{clean[..max]}...";
    }

    private static ClaudeEnding? Typed(ClaudeResult result, ClaudeEvidence evidence) =>
        EndingTable.Subtypes.Find(result.Subtype)
        ?? EndingTable.StartupReasons.Find(result.StartupReason)
        ?? (evidence.ApiErrorCut is "context_window" ? ClaudeEnding.ContextFull : null)
        ?? EndingTable.ErrorKinds.Find(result.ApiErrorKind)
        ?? (result.StopReason is "refusal" ? ClaudeEnding.Refused : null)
        ?? TooLarge(result)
        ?? EndingTable.TerminalReasons.Find(result.TerminalReason);

    // The CLI calls it an image's error, but a request can be too large without any.
    private static ClaudeEnding? TooLarge(ClaudeResult result) =>
        result.ApiErrorStatus is 413 ? ClaudeEnding.PromptTooLong : null;

    private static ClaudeEnding? OfApiError(ClaudeResult result, ClaudeEvidence evidence)
    {
        if (result is not ({ TerminalReason: "api_error" } or { Subtype: "success" }))
        {
            return null;
        }

        // Where the network failed the message's own error is "server_error", and only the text tells.
        var byWord = EndingTable.MessageErrors.Find(evidence.ApiError);
        var said = byWord == ClaudeEnding.ServerError ? EndingTable.OfText(result.Text ?? string.Empty) : null;
        return EndingTable.OfStatus(result.ApiErrorStatus)
            ?? EndingTable.ServiceErrors.Find(result.ApiErrorType)
            ?? said
            ?? byWord;
    }

    // A result of another shape than any that is known; "error_during_execution" alone is how the CLI says that it
    // gave up.
    private static ClaudeEnding Untyped(ClaudeResult result) =>
        result is { Subtype: "error_during_execution", TerminalReason: null }
            ? ClaudeEnding.Failed
            : ClaudeEnding.Unknown;

    private static string Words(ClaudeEnding ending, ClaudeResult result, ClaudeEvidence evidence, string said)
    {
        var text = ending switch
        {
            _ when ending == ClaudeEnding.MaxTurns => Invariant($"{evidence.Turns}"),
            _ when ending == ClaudeEnding.Budget => Invariant($"it spent about ${evidence.CostUsd:0.00##}"),
            _ when ending == ClaudeEnding.Failed || ending == ClaudeEnding.Unknown => Shape(result, said),
            _ => said,
        };
        return result.ApiErrorStatus is { } status ? Invariant($"status {status}, {text}") : text;
    }

    private static string Shape(ClaudeResult result, string said)
    {
        (string Name, string? Word)[] words =
        [
            ("subtype", result.Subtype), ("terminal_reason", result.TerminalReason),
            ("stop_reason", result.StopReason), ("api_error", result.ApiErrorKind),
            ("api_error_type", result.ApiErrorType), ("startup_failure_reason", result.StartupReason),
        ];
        var given = words.Where(word => word.Word is not null)
            .Select(word => $"{word.Name} {OneLine(word.Word!, MaxWord)}");
        return $"({string.Join(", ", given)}) {said}".TrimEnd();
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
