using System.Text.Json.Nodes;

namespace Berth.FakeClaude;

/// <summary>Plausible stream-json events.</summary>
internal static class Events
{
    internal static JsonObject Init(string session) => new()
    {
        ["type"] = "system",
        ["subtype"] = "init",
        ["cwd"] = Environment.CurrentDirectory,
        ["session_id"] = session,
        ["tools"] = new JsonArray("Bash", "Read", "Edit", "Write"),
        ["mcp_servers"] = new JsonArray(),
        ["model"] = "fake-model",
        ["permissionMode"] = "dontAsk",
        ["claude_code_version"] = "0.0.0-fake",
    };

    internal static JsonObject Assistant(string session, string text) => new()
    {
        ["type"] = "assistant",
        ["message"] = new JsonObject
        {
            ["id"] = "msg_fake",
            ["type"] = "message",
            ["role"] = "assistant",
            ["model"] = "fake-model",
            ["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text }),
            ["stop_reason"] = null,
            ["usage"] = new JsonObject { ["input_tokens"] = 1, ["output_tokens"] = 1 },
        },
        ["parent_tool_use_id"] = null,
        ["session_id"] = session,
    };

    // The type is not the first key, as in the real CLI's results.
    internal static JsonObject Result(string session, string text, string subtype = "success",
        bool isError = false) => new()
    {
        ["duration_api_ms"] = 1,
        ["stop_reason"] = "end_turn",
        ["session_id"] = session,
        ["total_cost_usd"] = 0.001,
        ["usage"] = new JsonObject { ["input_tokens"] = 1, ["output_tokens"] = 1 },
        ["modelUsage"] = new JsonObject(),
        ["permission_denials"] = new JsonArray(),
        ["terminal_reason"] = isError ? "aborted_streaming" : "completed",
        ["is_error"] = isError,
        ["num_turns"] = 1,
        ["subtype"] = subtype,
        ["result"] = text,
        ["type"] = "result",
        ["duration_ms"] = 1,
        ["result_index"] = 0,
    };

    internal static JsonObject PermissionRequest(string id) => new()
    {
        ["type"] = "control_request",
        ["request_id"] = id,
        ["request"] = new JsonObject
        {
            ["subtype"] = "can_use_tool",
            ["tool_name"] = "Bash",
            ["input"] = new JsonObject { ["command"] = $"echo {id}" },
            ["tool_use_id"] = $"toolu_{id}",
        },
    };

    internal static JsonObject Fact(string what) => new() { ["type"] = "fake", ["what"] = what };

    internal static JsonObject ControlResponse(string? request) => new()
    {
        ["type"] = "control_response",
        ["response"] = new JsonObject { ["subtype"] = "success", ["request_id"] = request },
    };
}
