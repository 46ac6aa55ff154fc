using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Berth.Engine.Claude;

/// <summary>Tokens of the model.</summary>
internal sealed record TokenCounts(long Input, long Output, long CacheRead, long CacheCreation)
{
    /// <summary>Nothing.</summary>
    public static TokenCounts None { get; } = new(0, 0, 0, 0);

    /// <summary>Both together.</summary>
    public TokenCounts Plus(TokenCounts other) => new(
        Input + other.Input,
        Output + other.Output,
        CacheRead + other.CacheRead,
        CacheCreation + other.CacheCreation);
}

/// <summary>A tool call that was not allowed.</summary>
/// <param name="Tool">The tool's name.</param>
/// <param name="ToolUseId">The id of the call.</param>
/// <param name="Input">What it was called with, or null where that is not known or longer than a page.</param>
internal sealed record PermissionDenial(string Tool, string ToolUseId, JsonElement? Input);

/// <summary>What the transcript proves: taken from stream-json events one by one, in bounded memory, whatever they
/// hold.</summary>
/// <remarks>
/// There may be several results (work in the background goes on after the first), the last one counts, and events may
/// follow it.
/// A result's <c>total_cost_usd</c> and <c>modelUsage</c> are running totals, across resumed sessions too, so what is
/// added up is
/// <c>model_usage_since_last_result</c>. What the model used after the last result is taken from its messages, which is
/// a lower bound.
/// </remarks>
internal sealed class ClaudeEvidence
{
    private const int MaxDenials = 1000;
    private const int MaxPendingCalls = 1000;
    private const int MaxWarnings = 50;
    private const int MaxInput = 4096;
    private const int MaxStderr = 16 * 1024;
    private const string NoSuchTool = "<tool_use_error>Error: No such tool available: ";

    private readonly Dictionary<string, PermissionDenial> calls = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PermissionDenial> denials = new(StringComparer.Ordinal);
    private readonly List<string> warnings = [];
    private readonly StringBuilder stderr = new();
    private readonly PendingServers servers = new();
    private string? lastMessage;
    private string? lastMainMessage;
    private bool hasAnswer;

    /// <summary>Whether the CLI came as far as <c>system/init</c>.</summary>
    public bool Initialized { get; private set; }

    /// <summary>The last result event, or null.</summary>
    public ClaudeResult? Result { get; private set; }

    /// <summary>Whether the model or a tool went on after the last result, so that the result is not the last
    /// word.</summary>
    public bool WentOn { get; private set; }

    /// <summary>What the results say was used, added up.</summary>
    public TokenCounts ResultTokens { get; private set; } = TokenCounts.None;

    /// <summary>What was used since the last result, at least.</summary>
    public TokenCounts LaterTokens { get; private set; } = TokenCounts.None;

    /// <summary>The cost in US dollars, as far as results tell.</summary>
    public decimal CostUsd { get; private set; }

    /// <summary>How many answers the model gave in the conversation itself; subagents not counted.</summary>
    /// <remarks>Never a result's <c>num_turns</c>: that counts tool results and errors too, and so runs that had no
    /// answer at all.</remarks>
    public int Turns { get; private set; }

    /// <summary>Whether the model answered at all: an answer was seen, or a result counts what one wrote.</summary>
    public bool HasAnswer => hasAnswer || ResultTokens.Output > 0;

    /// <summary>The model that answered last, or that was to answer.</summary>
    public string? Model { get; private set; }

    /// <summary>The CLI's version.</summary>
    public string? CliVersion { get; private set; }

    /// <summary>The conversation's id.</summary>
    public string? SessionId { get; private set; }

    /// <summary>The permission mode that is really in force: managed settings of the machine may have changed
    /// it.</summary>
    public string? PermissionMode { get; private set; }

    /// <summary>The API error that the conversation ended with, as the CLI words it, for example <c>overloaded</c>;
    /// null once an answer follows.</summary>
    public string? ApiError { get; private set; }

    /// <summary>What that error cut an answer at, or null: <c>output_limit</c>, <c>context_window</c>.</summary>
    public string? ApiErrorCut { get; private set; }

    /// <summary>The status of the last request that was tried again, or null.</summary>
    public int? RetriedStatus { get; private set; }

    /// <summary>The last failure of a request that was tried again.</summary>
    public string? RetriedError { get; private set; }

    /// <summary>When the usage limit ends that stopped the run, or null.</summary>
    public DateTimeOffset? LimitEnds { get; private set; }

    /// <summary>The calls that were not allowed, each once: what results list, and attempts to use tools that there are
    /// not.</summary>
    public IReadOnlyCollection<PermissionDenial> Denials => denials.Values;

    /// <summary>What people should know although it is no failure.</summary>
    public IReadOnlyList<string> Warnings => [.. warnings, .. servers.Warnings];

    /// <summary>The end of what was written to standard error.</summary>
    public string Stderr => stderr.ToString();

    /// <summary>Takes a line of standard error; only the last 16 KiB are kept.</summary>
    public void AddStderr(string line)
    {
        stderr.Append(line.AsSpan(Math.Max(0, line.Length - MaxStderr))).Append('\n');
        if (stderr.Length > MaxStderr)
        {
            stderr.Remove(0, stderr.Length - MaxStderr);
        }
    }

    /// <summary>Takes an event of standard output. What is not known is passed over; nothing throws.</summary>
    public void Add(JsonElement stdoutEvent)
    {
        switch (stdoutEvent.Text("type"))
        {
            case "system":
                AddSystem(stdoutEvent);
                break;
            case "assistant":
                AddAssistant(stdoutEvent);
                break;
            case "user":
                AddToolResults(stdoutEvent);
                break;
            case "result":
                AddResult(stdoutEvent);
                break;
            case "rate_limit_event":
                AddRateLimit(stdoutEvent);
                AddRateLimit(stdoutEvent.Member("rate_limit_info"));
                break;
        }
    }

    private void AddSystem(JsonElement e)
    {
        switch (e.Text("subtype"))
        {
            case "init":
                AddInit(e);
                break;
            case "permission_denied":
                Deny(e.Word("tool_name"), e.Word("tool_use_id"), default);
                break;
            case "api_retry":
                RetriedStatus = e.Count("error_status") is > 0 and < 1000 and var status ? (int)status : null;
                RetriedError = e.Word("error");
                break;
            case "session_writes_lost":
                Warn($"Claude could not write all of its session ({e.Word("error_code") ?? "unknown reason"}).");
                break;
            case "model_fallback":
                var (from, to) = (e.Word("original_model") ?? e.Word("from"), e.Word("fallback_model") ?? e.Word("to"));
                Warn($"Another model took over: {to ?? "unknown"} in the place of {from ?? "the one asked for"}.");
                break;
            case "compact_boundary":
                Warn("The conversation grew too long and was summed up on the way.");
                break;
        }
    }

    private void AddInit(JsonElement e)
    {
        Initialized = true;
        WentOn = true;
        Model = e.Word("model") ?? Model;
        CliVersion = e.Word("claude_code_version") ?? CliVersion;
        SessionId = e.Word("session_id") ?? SessionId;
        PermissionMode = e.Word("permissionMode") ?? PermissionMode;
        foreach (var server in e.Member("mcp_servers").Items())
        {
            var (name, status) = (server.Word("name") ?? "?", server.Word("status"));
            servers.Say(name, status is "pending");
            if (status is not (null or "connected" or "pending"))
            {
                Warn($"The MCP server {name} is not available: {status}.");
            }
        }
    }

    private void AddAssistant(JsonElement e)
    {
        WentOn = true;
        var message = e.Member("message");
        var id = message.Word("id");
        var isReal = message.Word("model") is { } model and not "<synthetic>";
        var isMain = e.Text("parent_tool_use_id") is null;
        hasAnswer |= isReal;
        if (isMain)
        {
            // A subagent's error is a tool's result, and what the agent makes of that follows.
            ApiError = isReal ? null : e.Word("error") ?? ApiError;
            ApiErrorCut = isReal ? null : e.Member("api_error_params").Word("cut") ?? ApiErrorCut;
        }

        if (isReal && id is not null && !string.Equals(id, lastMessage, StringComparison.Ordinal))
        {
            // One message comes as one event for each of its blocks, each with the same usage.
            lastMessage = id;
            LaterTokens = LaterTokens.Plus(UsageOf(message.Member("usage")));
        }

        if (isReal && isMain)
        {
            Model = message.Word("model");
            if (!string.Equals(id, lastMainMessage, StringComparison.Ordinal))
            {
                lastMainMessage = id;
                Turns++;
            }
        }

        foreach (var block in message.Member("content").Items())
        {
            if (block.Text("type") is "tool_use" && block.Word("id") is { } call && calls.Count < MaxPendingCalls)
            {
                calls[call] = new PermissionDenial(
                    block.Word("name") ?? "?", call, block.Member("input").Apart(MaxInput));
            }
        }
    }

    private void AddToolResults(JsonElement e)
    {
        WentOn = true;
        foreach (var block in e.Member("message").Member("content").Items())
        {
            if (block.Word("tool_use_id") is not { } call)
            {
                continue;
            }

            // A tool that --tools left out does not exist for the CLI, so a call of it is no denial in its own list.
            var text = block.IsTrue("is_error") ? block.Text("content") : null;
            if (text?.StartsWith(NoSuchTool, StringComparison.Ordinal) is true)
            {
                Deny(NameOf(text), call, default);
            }

            if (calls.Remove(call, out var made) && !block.IsTrue("is_error"))
            {
                servers.Answered(made.Tool);
            }
        }
    }

    private void AddResult(JsonElement e)
    {
        Result = ClaudeResult.Read(e);
        WentOn = false;
        SessionId = e.Word("session_id") ?? SessionId;
        LaterTokens = TokenCounts.None;
        foreach (var usage in e.Member("model_usage_since_last_result").Values())
        {
            ResultTokens = ResultTokens.Plus(new TokenCounts(
                usage.Count("inputTokens"),
                usage.Count("outputTokens"),
                usage.Count("cacheReadInputTokens"),
                usage.Count("cacheCreationInputTokens")));
            CostUsd += usage.Money("costUSD") ?? 0;
        }

        foreach (var denial in e.Member("permission_denials").Items())
        {
            Deny(denial.Word("tool_name"), denial.Word("tool_use_id"), denial.Member("tool_input"));
        }
    }

    private void AddRateLimit(JsonElement e)
    {
        if (e.Text("status") is "rejected")
        {
            // Seconds since 1970; the bound is the year 9999.
            var seconds = Math.Min(e.Count("resetsAt"), 253_402_300_799);
            LimitEnds = seconds > 0 ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;
        }
    }

    private void Deny(string? tool, string? call, JsonElement input)
    {
        if (denials.Count >= MaxDenials)
        {
            return;
        }

        var key = call ?? denials.Count.ToString(CultureInfo.InvariantCulture);
        denials.TryGetValue(key, out var before);
        calls.TryGetValue(key, out var called);
        denials[key] = new PermissionDenial(
            tool ?? called?.Tool ?? before?.Tool ?? "?",
            call ?? "",
            input.Apart(MaxInput) ?? before?.Input ?? called?.Input);
    }

    private void Warn(string warning)
    {
        if (warnings.Count < MaxWarnings && !warnings.Contains(warning, StringComparer.Ordinal))
        {
            warnings.Add(warning);
        }
    }

    private static string NameOf(string error)
    {
        var rest = error.AsSpan(NoSuchTool.Length);
        var end = rest.IndexOfAny(".<");
        return ClaudeJson.Start((end < 0 ? rest : rest[..end]).ToString(), ClaudeJson.LongestWord);
    }

    private static TokenCounts UsageOf(JsonElement usage) => new(
        usage.Count("input_tokens"),
        usage.Count("output_tokens"),
        usage.Count("cache_read_input_tokens"),
        usage.Count("cache_creation_input_tokens"));
}
