using System.Text.Json;

namespace Berth.Engine.Claude;

/// <summary>What counts in a result event. <c>subtype: success</c> with <c>is_error: true</c> is a failure, and
/// common.</summary>
internal sealed record ClaudeResult
{
    private const int MostErrors = 10;
    private const int LongestError = 2000;

    /// <summary>Whether the CLI says that it did what it was asked to: both flags together.</summary>
    public bool IsSuccess => !IsError && Subtype is "success";

    /// <summary><c>is_error</c>; true where it is missing.</summary>
    public required bool IsError { get; init; }

    /// <summary><c>subtype</c>.</summary>
    public required string? Subtype { get; init; }

    /// <summary><c>terminal_reason</c>.</summary>
    public required string? TerminalReason { get; init; }

    /// <summary><c>stop_reason</c> of the last answer.</summary>
    public required string? StopReason { get; init; }

    /// <summary><c>result</c>: the last text, or an error's.</summary>
    public required string? Text { get; init; }

    /// <summary><c>errors</c>.</summary>
    public required IReadOnlyList<string> Errors { get; init; }

    /// <summary><c>api_error_status</c>, or null.</summary>
    public required int? ApiErrorStatus { get; init; }

    /// <summary><c>api_error</c>: the typed kind of the API error that ended the turn, or null.</summary>
    public string? ApiErrorKind { get; init; }

    /// <summary><c>api_error_type</c>: what the service called its error, or null.</summary>
    public string? ApiErrorType { get; init; }

    /// <summary><c>startup_failure_reason</c>, or null.</summary>
    public string? StartupReason { get; init; }

    /// <summary><c>num_turns</c>, by the CLI's own count; null where it does not say.</summary>
    public long? Turns { get; init; }

    /// <summary>Reads a result event.</summary>
    public static ClaudeResult Read(JsonElement e) => new()
    {
        IsError = e.Member("is_error").ValueKind != JsonValueKind.False,
        Subtype = e.Word("subtype"),
        TerminalReason = e.Word("terminal_reason"),
        StopReason = e.Word("stop_reason"),
        Text = e.Text("result"),
        Errors =
        [
            .. e.Member("errors").Items().Take(MostErrors)
                .Select(error => ClaudeJson.Start(error.Text() ?? "?", LongestError)),
        ],
        ApiErrorStatus = e.Count("api_error_status") is > 0 and < 1000 and var status ? (int)status : null,
        ApiErrorKind = e.Word("api_error"),
        ApiErrorType = e.Word("api_error_type"),
        StartupReason = e.Word("startup_failure_reason"),
        Turns = e.Member("num_turns").ValueKind == JsonValueKind.Number ? e.Count("num_turns") : null,
    };
}
