namespace Berth.Engine.Gateway;

/// <summary>What a request of the Messages API may hold: allow-lists.</summary>
/// <remarks>
/// Read off what CLI 2.1.330 sends and can send, and off the public API. None of these makes the service fetch
/// something, start something, or read what is stored under the operator's credential.
/// </remarks>
internal static class RequestRules
{
    /// <summary>Top-level fields, and how their values are judged.</summary>
    public static readonly Dictionary<string, Zone> Fields = new(StringComparer.Ordinal)
    {
        ["model"] = Zone.Options,
        ["max_tokens"] = Zone.Options,
        ["messages"] = Zone.Content,
        ["system"] = Zone.Content,
        ["tools"] = Zone.Tool,
        ["tool_choice"] = Zone.Options,
        ["metadata"] = Zone.Free,
        ["stop_sequences"] = Zone.Options,
        ["stream"] = Zone.Options,
        ["temperature"] = Zone.Options,
        ["top_k"] = Zone.Options,
        ["top_p"] = Zone.Options,
        ["thinking"] = Zone.Options,
        ["service_tier"] = Zone.Options,
        ["context_management"] = Zone.Options,
        ["compaction"] = Zone.Options,
        ["output_config"] = Zone.Free,
        ["output_format"] = Zone.Free,
        ["speed"] = Zone.Options,
        ["inference_geo"] = Zone.Options,
        ["cache_control"] = Zone.Options,
        ["fallbacks"] = Zone.Options,
        ["fallback_credit"] = Zone.Options,
        ["diagnostics"] = Zone.Options,
        ["safeguards"] = Zone.Free,
        ["data_flow"] = Zone.Free,
        ["context_hint"] = Zone.Free,
        ["request_tags"] = Zone.Free,
    };

    /// <summary>Fields that reach what is stored under the operator's credential, which other runs share. They are
    /// refused whatever the run's network is.</summary>
    public static readonly HashSet<string> Stored = new(StringComparer.Ordinal)
    {
        "container", "container_id", "file_id", "thread", "anthropic_beta", "betas",
    };

    /// <summary>Fields by which the service connects elsewhere.</summary>
    public static readonly HashSet<string> Connecting = new(StringComparer.Ordinal)
    {
        "mcp_servers", "mcp_server_name", "server_url", "authorization_token", "image_url",
    };

    /// <summary>The <c>type</c> of anything in messages and in the system prompt.</summary>
    public static readonly HashSet<string> ContentTypes = new(StringComparer.Ordinal)
    {
        "text", "image", "document", "search_result", "tool_use", "tool_result", "tool_reference", "tool_addition",
        "tool_removal", "tool_definition", "thinking", "redacted_thinking", "compaction", "fallback", "ephemeral",
        "message", "clear",

        // What an earlier answer held, where a run with server tools is continued: none of it is done again.
        "server_tool_use", "web_search_tool_result", "web_search_result", "web_search_tool_result_error",
        "web_fetch_tool_result", "web_fetch_result", "web_fetch_tool_result_error", "tool_search_tool_result",
        "tool_search_tool_search_result", "tool_search_tool_result_error",

        // Citations.
        "char_location", "page_location", "content_block_location", "web_search_result_location",
        "search_result_location",
    };

    /// <summary>The <c>type</c> of a picture's or document's source. Not <c>url</c>, not <c>file</c>.</summary>
    public static readonly HashSet<string> SourceTypes = new(StringComparer.Ordinal) { "base64", "text", "content" };

    /// <summary>Tools that the client runs, and searches among the tools of the request itself.</summary>
    public static readonly IReadOnlyList<string> ClientTools =
    [
        "bash", "text_editor", "memory", "computer", "tool_search_tool_regex", "tool_search_tool_bm25",
    ];

    /// <summary>Members whose values are the client's own: the service only hands them on.</summary>
    public static readonly HashSet<string> FreeMembers = new(StringComparer.Ordinal)
    {
        "input", "input_schema", "input_examples",
    };
}

/// <summary>How a part of a request is judged.</summary>
internal enum Zone
{
    /// <summary>The request itself.</summary>
    Top,

    /// <summary>Messages and the system prompt.</summary>
    Content,

    /// <summary>Where a picture or document comes from.</summary>
    Source,

    /// <summary>A tool, or a list of tools.</summary>
    Tool,

    /// <summary>A part of a tool.</summary>
    ToolPart,

    /// <summary>Everything else that the service reads.</summary>
    Options,

    /// <summary>What the client alone knows the meaning of.</summary>
    Free,
}
