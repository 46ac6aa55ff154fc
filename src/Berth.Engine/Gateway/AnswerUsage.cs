using System.Text.Json;

namespace Berth.Engine.Gateway;

/// <summary>What one answer of the model says that it used.</summary>
internal sealed record AnswerUsage
{
    /// <summary>Tokens read that the cache has no part in.</summary>
    public long Input { get; init; }

    /// <summary>Tokens written.</summary>
    public long Output { get; init; }

    /// <summary>Tokens read from the cache.</summary>
    public long CacheRead { get; init; }

    /// <summary>Tokens read and kept in the cache for five minutes.</summary>
    public long CacheWrite { get; init; }

    /// <summary>Tokens read and kept in the cache for an hour.</summary>
    public long CacheWrite1h { get; init; }

    /// <summary>Searches of the web that the model's service made.</summary>
    public long WebSearches { get; init; }

    /// <summary>Whether it came in fast mode.</summary>
    public bool IsFast { get; init; }

    /// <summary>Whether it was asked to be worked out in the United States, which costs more.</summary>
    public bool IsInTheUnitedStates { get; init; }

    /// <summary>The model that answered.</summary>
    public string? Model { get; init; }

    /// <summary>Whether it came to its end.</summary>
    public bool IsWhole { get; init; }

    /// <summary>All tokens read.</summary>
    public long AllInput => Input + CacheRead + CacheWrite + CacheWrite1h;

    /// <summary>This, and what a further <c>usage</c> object says: counts in a stream are running totals.</summary>
    public AnswerUsage Joined(JsonElement usage)
    {
        var written = Count(usage, "cache_creation_input_tokens");
        var parts = Member(usage, "cache_creation");
        var hour = Math.Min(written, Count(parts, "ephemeral_1h_input_tokens"));
        return this with
        {
            Input = Math.Max(Input, Count(usage, "input_tokens")),
            Output = Math.Max(Output, Count(usage, "output_tokens")),
            CacheRead = Math.Max(CacheRead, Count(usage, "cache_read_input_tokens")),
            CacheWrite = Math.Max(CacheWrite, written - hour),
            CacheWrite1h = Math.Max(CacheWrite1h, hour),
            WebSearches = Math.Max(WebSearches, Count(Member(usage, "server_tool_use"), "web_search_requests")),
            IsFast = IsFast || Says(usage, "speed", "fast"),
            IsInTheUnitedStates = IsInTheUnitedStates || Says(usage, "inference_geo", "us"),
        };
    }

    // More than any model can read or write, and small enough that sums of it do not overflow.
    private const long Most = 1L << 40;

    private static long Count(JsonElement usage, string name) =>
        Member(usage, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var count)
            ? Math.Clamp(count, 0, Most)
            : 0;

    private static bool Says(JsonElement usage, string name, string word) =>
        Member(usage, name) is { ValueKind: JsonValueKind.String } value && value.ValueEquals(word);

    private static JsonElement Member(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;
}
