using System.Text.Json;

namespace Berth.Terminal;

/// <summary>Tells what the agent printed: the stream-json events of the Claude Code CLI.</summary>
/// <remarks>
/// Meant to be tolerant: of an event that is new, or not as expected, nothing is shown, and nothing breaks.
/// </remarks>
internal sealed class AgentTeller
{
    // More calls than this are never open at once; the bound is for a stream that was made to fill memory.
    private const int MostOpenCalls = 1000;
    private const int WordWidth = 8;
    private const int ReasonWidth = 160;

    private readonly OrderedDictionary<string, Call> open = new(StringComparer.Ordinal);
    private readonly HashSet<string> denied = new(StringComparer.Ordinal);
    private string? folder;
    private string? lastMessage;

    private sealed record Call(string Tool, string Argument, DateTimeOffset At, bool Nested);

    /// <summary>The lines that an event is worth.</summary>
    public IEnumerable<Line> Tell(JsonElement data, DateTimeOffset at, Tally tally)
    {
        List<Line> lines = [.. data.Text("type") switch
        {
            "system" => System(data),
            "assistant" => Assistant(data, at, tally),
            "user" => User(data, at),
            "result" => Result(data, tally),
            "rate_limit_event" => RateLimit(data),
            _ => [],
        }];
        tally.OpenCalls = [.. open.Values.Select(call => $"{call.Tool} {call.Argument}".TrimEnd())];
        return lines;
    }

    /// <summary>Shows the calls that will have no result any more.</summary>
    public IEnumerable<Line> GiveUp(Tally tally)
    {
        List<Line> lines = [.. open.Values.Select(call => Told("open", Tone.Warning, call, "no result"))];
        open.Clear();
        tally.OpenCalls = [];
        return lines;
    }

    private IEnumerable<Line> System(JsonElement data)
    {
        switch (data.Text("subtype"))
        {
            case "init" when folder is null:
                folder = data.Text("cwd") ?? string.Empty;
                return Begun(data);
            case "permission_denied" when data.Text("tool_use_id") is { } id && denied.Count < MostOpenCalls:
                denied.Add(id);
                return [];
            case "api_retry":
                var attempt = $"attempt {data.Whole("attempt")} of {data.Whole("max_retries")}";
                var why = data.Text("error") ?? data.Member("error_status")?.ToString();
                return [Line.Of($"the model did not answer ({why}); {attempt}", Tone.Warning)];
            case "compact_boundary":
                return [Line.Of("the conversation was compacted", Tone.Faint)];
            default:
                return [];
        }
    }

    private static IEnumerable<Line> Begun(JsonElement data)
    {
        yield return Line.Of($"agent · {data.Text("model")} · CLI {data.Text("claude_code_version")}", Tone.Faint);
        foreach (var server in data.Items("mcp_servers"))
        {
            if (server.Text("status") is { } status and not ("connected" or "pending"))
            {
                yield return Line.Of($"MCP server {server.Text("name")}: {status}", Tone.Warning);
            }
        }
    }

    private IEnumerable<Line> Assistant(JsonElement data, DateTimeOffset at, Tally tally)
    {
        var nested = data.Text("parent_tool_use_id") is not null;
        var message = data.Member("message") ?? default;
        Count(message, nested, tally);
        foreach (var block in message.Items("content"))
        {
            if (block.Text("type") is "text" && block.Text("text") is { } text && !string.IsNullOrWhiteSpace(text))
            {
                var tone = data.IsTrue("is_api_error_message") ? Tone.Bad : Tone.Plain;
                foreach (var row in SafeText.Rows(text.Trim()))
                {
                    yield return Line.Of(Margin(nested) + row, tone);
                }
            }
            else if (block.Text("type") is "tool_use" or "server_tool_use" && open.Count < MostOpenCalls)
            {
                var tool = block.Text("name") ?? "tool";
                var argument = ToolArgument.Of(tool, block.Member("input") ?? default, folder);
                open[block.Text("id") ?? string.Empty] = new Call(tool, argument, at, nested);
            }
        }
    }

    // One reply comes as several events with one id, one for each block.
    private void Count(JsonElement message, bool nested, Tally tally)
    {
        var id = message.Text("id");
        if (id is null || string.Equals(id, lastMessage, StringComparison.Ordinal))
        {
            return;
        }

        lastMessage = id;
        tally.Turns += nested ? 0 : 1;
        var usage = message.Member("usage") ?? default;
        tally.Tokens += (usage.Whole("input_tokens") ?? 0) + (usage.Whole("cache_creation_input_tokens") ?? 0)
            + (usage.Whole("cache_read_input_tokens") ?? 0) + (usage.Whole("output_tokens") ?? 0);
    }

    private IEnumerable<Line> User(JsonElement data, DateTimeOffset at)
    {
        var refused = data.Items("tool_result_meta")
            .Where(meta => meta.Member("permission_decision")?.Text("decision") is "deny" or "reject")
            .Select(meta => meta.Text("id")).OfType<string>().ToHashSet(StringComparer.Ordinal);
        foreach (var block in (data.Member("message") ?? default).Items("content"))
        {
            var kind = block.Text("type");
            if (kind is "tool_result" && block.Text("tool_use_id") is { } id && open.Remove(id, out var call))
            {
                yield return Answered(block, call, at, isDenied: denied.Remove(id) || refused.Contains(id));
            }
            else if (kind is "text" && block.Text("text") is { Length: > 0 } text)
            {
                yield return Line.Of(text.Trim(), Tone.Faint) with { OneRow = true };
            }
        }
    }

    private static Line Answered(JsonElement block, Call call, DateTimeOffset at, bool isDenied)
    {
        if (isDenied)
        {
            return Told("denied", Tone.Bad, call, string.Empty);
        }

        return block.IsTrue("is_error")
            ? Told("failed", Tone.Warning, call, Cells.Cut(SafeText.Row(Said(block).Trim()), ReasonWidth))
            : Told("ok", Tone.Good, call, Amounts.Time(at - call.At));
    }

    private static Line Told(string word, Tone tone, Call call, string detail) => new(
        new Part(Margin(call.Nested) + word.PadRight(WordWidth), tone),
        new Part(call.Tool, Tone.Strong),
        new Part(call.Argument.Length > 0 ? $" {call.Argument}" : string.Empty),
        new Part(detail.Length > 0 ? $" · {detail}" : string.Empty, Tone.Faint))
    {
        OneRow = true,
    };

    // A result is a text, or blocks of which some are text.
    private static string Said(JsonElement block) => block.Text("content")
        ?? block.Items("content").Select(item => item.Text("text")).FirstOrDefault(text => text is not null)
        ?? string.Empty;

    private static IEnumerable<Line> Result(JsonElement data, Tally tally)
    {
        tally.CostUsd = data.Number("total_cost_usd") ?? tally.CostUsd;
        var used = data.Members("modelUsage").Select(model => model.Value).Sum(model =>
            (model.Whole("inputTokens") ?? 0) + (model.Whole("outputTokens") ?? 0)
            + (model.Whole("cacheReadInputTokens") ?? 0) + (model.Whole("cacheCreationInputTokens") ?? 0));
        tally.Tokens = used > 0 ? used : tally.Tokens;
        if (!data.IsTrue("is_error"))
        {
            return [];
        }

        var why = data.Text("terminal_reason") ?? data.Text("subtype") ?? "error";
        var first = data.Items("errors")
            .Select(error => error.ValueKind == JsonValueKind.String ? error.GetString() : null)
            .FirstOrDefault();
        return [Line.Of(first is null ? $"the agent stopped: {why}" : $"the agent stopped: {why}: {first}", Tone.Bad)];
    }

    private static IEnumerable<Line> RateLimit(JsonElement data)
    {
        var info = data.Member("rate_limit_info") ?? data;
        return info.Text("status") is "rejected"
            ? [Line.Of($"rate limit reached: {info.Text("rateLimitType")}", Tone.Bad)]
            : [];
    }

    private static string Margin(bool nested) => nested ? "  " : string.Empty;
}
