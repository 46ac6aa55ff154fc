using Berth.Engine.Claude;

namespace Berth.SystemTests.Claude;

/// <summary>The ends that the CLI has a word of its own for, as far as a scripted model can make it say each.</summary>
internal static class EndingCases
{
    private const string OneTool = "bash echo hi\n---\ntext done";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<CorpusCase> All { get; } = [.. Answers(), .. Hooks(), .. Services(), .. Commands()];

    private static IEnumerable<CorpusCase> Answers() =>
    [
        new("F80_output_limit", "each answer is cut at its limit", ClaudeEnd.GaveUp, "output_limit_reached")
        {
            Script = "repeat forever\ntext half\nstop max_tokens",
        },
        new("F80_context_full", "the model says that it can read no more", ClaudeEnd.TooLong, "context_full")
        {
            Script = "repeat forever\ntext half\nstop model_context_window_exceeded",
        },
        new("F80_tool_call_unreadable", "a stop for a tool call that there is not", ClaudeEnd.GaveUp,
            "tool_call_unreadable")
        {
            Script = "repeat forever\nstop tool_use\ntext hi",
        },
        new("F80_compaction_thrashing", "full again after each summary", ClaudeEnd.TooLong, "compaction_thrashing")
        {
            ModelScript = "repeat forever\nusage in=970000\nbash echo c", Warning = "summed up",
        },
        new("F80_paused", "a paused turn is no success", ClaudeEnd.GaveUp, "model_paused")
        {
            Script = "text so far\nstop pause_turn", Turns = 1,
        },
        new("F80_compaction_stop", "nor is one that stopped to be summed up", ClaudeEnd.GaveUp, "model_paused")
        {
            Script = "text so far\nstop compaction",
        },
        new("F80_unknown_stop", "a stop reason that nobody knows is told", ClaudeEnd.Completed)
        {
            Script = "text so far\nstop brand_new_reason", Warning = "brand_new_reason",
        },
    ];

    private static IEnumerable<CorpusCase> Hooks() =>
    [
        new("F80_hook_stopped", "a hook ends the turn after a tool", ClaudeEnd.GaveUp, "hook_stopped")
        {
            Script = OneTool, Without = "--settings", Arguments = ["--settings", Hook("PostToolUse", Stop)],
        },
        new("F80_stop_hook", "a hook that only forbids to go on after the end", ClaudeEnd.Completed)
        {
            Script = OneTool, Without = "--settings", Arguments = ["--settings", Hook("Stop", Stop)],
            Warning = "stop_hook_prevented",
        },
        new("F80_tool_deferred", "a call that is put off", ClaudeEnd.GaveUp, "tool_deferred")
        {
            Script = OneTool,
            Without = "--settings",
            Arguments =
            [
                "--settings",
                Hook(
                    "PreToolUse",
                    "{\"hookSpecificOutput\":{\"hookEventName\":\"PreToolUse\",\"permissionDecision\":\"defer\"}}"),
            ],
        },
    ];

    private static IEnumerable<CorpusCase> Services() =>
    [
        new("F80_stalled", "an answer that stops coming", ClaudeEnd.ApiError, "model_stalled")
        {
            Script = "start\nhang",
            Environment = new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS"] = "10000",
                ["CLAUDE_CODE_RETRY_WATCHDOG"] = null,
                ["CLAUDE_CODE_MAX_RETRIES"] = "0",
            },
        },
        new("F80_not_the_protocol", "JSON of another shape", ClaudeEnd.ApiError, "model_answer_invalid")
        {
            Script = "body 200 application/json {\"a\":1}",
        },
        new("F80_image", "an image that cannot be read", ClaudeEnd.TooLong, "media_rejected")
        {
            Script = "error 400 should-retry=false Could not process image", Turns = 0,
        },
        new("F80_too_long_by_the_service", "the service counts more than fits", ClaudeEnd.TooLong, "prompt_too_long")
        {
            Script = "error 400 should-retry=false prompt is too long: 1000001 tokens > 1000000 maximum", Turns = 0,
        },
        new("F80_legal", "status 451", ClaudeEnd.Refused, "model_request_blocked")
        {
            Script = "error 451 should-retry=false not there", Turns = 0,
        },
        new("F80_teapot", "a status without a meaning", ClaudeEnd.ApiError, "model_failed")
        {
            Script = "error 418 should-retry=false teapot", Turns = 0,
        },
    ];

    private static IEnumerable<CorpusCase> Commands() =>
    [
        new("F80_slash_command", "a command of the CLI is no work", ClaudeEnd.GaveUp, "model_not_called")
        {
            RawInput = User("/cost"), Turns = 0,
        },
        new("F81_byte_order_mark", "nor is a prompt that the CLI calls blank", ClaudeEnd.GaveUp, "model_not_called")
        {
            RawInput = User("\\ufeff"), Turns = 0,
        },
    ];

    private const string Stop = "{\"continue\":false,\"stopReason\":\"enough\"}";

    private static string Hook(string name, string says) =>
        "{\"hooks\":{\"" + name + "\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"echo '"
        + says.Replace("\"", "\\\"", StringComparison.Ordinal) + "'\"}]}]}}";

    private static string User(string text) =>
        "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"" + text
        + "\"},\"parent_tool_use_id\":null,\"session_id\":\"\"}\n";
}
