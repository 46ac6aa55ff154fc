using System.IO.Compression;
using System.Text;
using Berth.Engine.Gateway;
using Xunit;

namespace Berth.SystemTests.Gateway;

/// <summary>FAULTS F 45: with a closed network the model's service fetches nothing for the agent either.</summary>
public sealed class FetchedForAgentTests
{
    private const string Image = """{"type": "image", "source": {"type": "url", "url": "https://e.example/x.png"}}""";

    private const string Fetch = "model_fetch_refused";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Refused => new()
    {
        { """, "mcp_servers": [{"type": "url", "url": "https://e.example", "name": "e"}]""", Fetch },
        { """, "mcp\u005fservers": [{"type": "url", "url": "https://e.example"}]""", Fetch },
        { """, "container": "c_1" """, Fetch },
        { """, "container": {"id": null, "skills": [{"type": "custom", "skill_id": "s"}]}""", Fetch },
        { """, "thread": {"type": "reference", "id": "t_1"}""", Fetch },
        { """, "anthropic_beta": ["mcp-client-2025-04-04"]""", Fetch },
        { """, "nobody_knows": 1""", "model_field_unknown" },
        { """, "Tools": []""", "model_field_unknown" },
        { """, "model": "m", "model": "n" """, "model_request_invalid" },
        { """, "max_tokens": "9000" """, "model_request_invalid" },
        { """, "max_tokens": 1e30""", "model_request_invalid" },
        { """, "tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]""", Fetch },
        { """, "tools": [{"type": "web_search_20250305", "name": "web_search"}]""", Fetch },
        { """, "tools": [{"ty\u0070e": "web\u005ffetch_20250910", "name": "f"}]""", Fetch },
        { """, "tools": [{"type": "code_execution_20250825", "name": "c"}]""", Fetch },
        { """, "tools": [{"type": "mcp_toolset", "mcp_server_name": "e"}]""", Fetch },
        { """, "tools": [{"type": "advisor_20260301", "name": "a"}]""", Fetch },
        { """, "tools": [{"type": "bash_20250124x", "name": "a"}]""", Fetch },
        { """, "tools": [{"type": 5, "name": "a"}]""", "model_request_invalid" },
        { """, "tools": {"type": "web_fetch_20250910", "name": "web_fetch"}""", Fetch },
        { $", \"system\": [{Image}]", Fetch },
        { """, "fallbacks": [{"model": "m", "tools": [{"type": "web_fetch_20250910"}]}]""", Fetch },
        { """, "metadata": {"a": {"a": 1, "\u0061": 2}}""", "model_request_invalid" },
    };

    public static TheoryData<string, string> Contents => new()
    {
        { Image, Fetch },
        { """{"source": {"url": "https://e.example/x.pdf", "type": "url"}, "type": "document"}""", Fetch },
        { """{"type": "document", "source": {"type": "file", "file_id": "file_1"}}""", Fetch },
        { """{"type": "document", "source": {"type": "base64", "url": "https://e.example"}}""", Fetch },
        { """{"type": "document", "source": {"type": "text", "file_id": "file_1"}}""", Fetch },
        { """{"type": "document", "source": {"type": "content", "content": [IMAGE]}}""", Fetch },
        { """{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}""", Fetch },
        { """{"content": [{"content": [IMAGE], "type": "tool_result"}], "type": "tool_result"}""", Fetch },
        { """{"type": "container_upload", "file_id": "file_1"}""", Fetch },
        { """{"type": "image_url", "image_url": {"url": "https://e.example"}}""", Fetch },
        { """{"type": "mcp_tool_use", "name": "x", "input": {}}""", Fetch },
        { """{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": TOOL}}""", Fetch },
        { """{"type": "tool_addition", "tools": [TOOL]}""", Fetch },
        { """{"type": "new_in_2027"}""", Fetch },
        { """{"type": ["image"]}""", "model_request_invalid" },
        { """{"type": "text", "text": "a", "type": "image"}""", "model_request_invalid" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task F45_A_request_by_which_the_service_would_fetch_is_refused(string more, string code)
    {
        // The API's own order of members is not given: the first and the last one are tried.
        var body = $$"""{"messages": [{"role": "user", "content": "x"}]{{more}}}""";
        await RefusedAsync(Encoding.UTF8.GetBytes(body), code);
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public async Task F45_Content_that_the_service_would_fetch_is_refused_at_any_depth(string content, string code)
    {
        var block = content.Replace("IMAGE", Image, StringComparison.Ordinal)
            .Replace("TOOL", """{"type": "web_fetch_20250910", "name": "f"}""", StringComparison.Ordinal);
        foreach (var role in (string[])["user", "system"])
        {
            await RefusedAsync(Encoding.UTF8.GetBytes(
                $$"""{"model": "m", "messages": [{"role": "{{role}}", "content": [{{block}}]}]}"""), code);
        }
    }

    [Theory]
    [InlineData("utf-16")]
    [InlineData("bom")]
    [InlineData("gzip")]
    [InlineData("nesting")]
    [InlineData("comment")]
    [InlineData("two values")]
    [InlineData("array")]
    [InlineData("invalid utf-8 name")]
    [InlineData("half a surrogate name")]
    [InlineData("many names")]
    [InlineData("form")]
    public async Task F45_Only_JSON_with_one_meaning_is_forwarded(string kind)
    {
        const string Plain = """{"model": "m", "messages": []}""";
        var body = kind switch
        {
            "utf-16" => Encoding.Unicode.GetBytes(Plain),
            "bom" => [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(Plain)],
            "gzip" => Zipped(Plain),
            "nesting" => Bytes($"{{\"metadata\": {new string('[', 5000)}{new string(']', 5000)}}}"),
            "comment" => Bytes("""{"model": "m" /* "mcp_servers": 1 */}"""),
            "two values" => Bytes(Plain + """{"mcp_servers": []}"""),
            "array" => Bytes($"[{Plain}]"),
            "invalid utf-8 name" => [.. Bytes("{\"model\": \"m\", \"a"), 0xFF, .. Bytes("\": 1}")],
            "half a surrogate name" => Bytes("""{"model": "m", "\ud800": 1}"""),
            "many names" => Bytes(
                $"{{\"metadata\": {{{string.Join(',', Enumerable.Range(0, 200_000).Select(n => $"\"n{n}\":1"))}}}}}"),
            _ => Bytes("model=m&mcp_servers=x"),
        };
        await RefusedAsync(body, "model_request_invalid");
    }

    [Fact]
    public async Task F45_What_the_CLI_sends_is_forwarded_as_it_is()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        const string More = """
            , "thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "medium"},
             "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
             "metadata": {"user_id": "{\"device_id\": 1}"}, "tool_choice": {"type": "auto"},
             "system": [{"type": "text", "text": "You are", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
            """;
        var answer = await stage.ExchangeAsync(
            GatewayStage.Request(
                GatewayStage.Body("text hello", more: More),
                "anthropic-beta: claude-code-20250219,effort-2025-11-24,interleaved-thinking-2025-05-14,"
                    + "mcp-client-2025-04-04,files-api-2025-04-14\r\nanthropic-beta: code-execution-2025-08-25\r\n"
                    + "anthropic-version: 2023-06-01\r\nX-Stainless-Lang: js\r\nX-Evil: 1\r\nForwarded: for=1.2.3.4\r\n"
                    + "X-Forwarded-Host: e.example\r\nContent-Encoding: identity\r\nanthropic-user-profile-id: u\r\n",
                "/v1/messages?beta=true&container=c"),
            Cancel);

        Assert.StartsWith("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.Empty(stage.Refused);
        var seen = Assert.Single(stage.Model.Requests);
        Assert.Equal(
            "claude-code-20250219,effort-2025-11-24,interleaved-thinking-2025-05-14", seen.Headers["anthropic-beta"]);
        foreach (var name in (string[])
            ["x-evil", "forwarded", "x-forwarded-host", "content-encoding", "anthropic-user-profile-id"])
        {
            Assert.False(seen.Headers.ContainsKey(name), name);
        }

        Assert.Equal(
            ["code-execution-2025-08-25", "files-api-2025-04-14", "mcp-client-2025-04-04"],
            stage.Dropped.Order(StringComparer.Ordinal), StringComparer.Ordinal);
    }

    [Fact]
    public async Task F45_A_server_tool_that_the_workflow_permits_is_forwarded_and_no_other_one()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(
            Cancel, stage.Options with { Policy = new() { ServerTools = ["web_search"] } });
        await SendToolAsync(stage, "web_search_20250305");
        Assert.Empty(stage.Refused);
        await SendToolAsync(stage, "web_fetch_20250910");
        Assert.Equal("model_fetch_refused", Assert.Single(stage.Refused).Code);
        Assert.Single(stage.Model.Requests);
    }

    [Fact]
    public async Task F45_With_an_open_network_the_service_may_fetch_but_not_read_what_others_stored()
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(
            Cancel, stage.Options with { Policy = new() { MayFetch = true } });
        await SendToolAsync(stage, "web_fetch_20250910");
        _ = await stage.ExchangeAsync(
            GatewayStage.Request($$"""{"model": "m", "messages": [{"role": "user", "content": [{{Image}}]}]}"""),
            Cancel);
        Assert.Empty(stage.Refused);
        await RefusedAsync(
            Bytes("""{"messages": [{"content": [{"type": "document", "source": {"file_id": "f"}}]}]}"""),
            "model_fetch_refused", stage);
        await RefusedAsync(Bytes("""{"messages": [], "container": "c"}"""), "model_fetch_refused", stage);
    }

    private static Task<string> SendToolAsync(GatewayStage stage, string type) => stage.ExchangeAsync(
        GatewayStage.Request(
            $$"""{"model": "m", "max_tokens": 5, "tools": [{"type": "{{type}}", "name": "t"}], "messages": []}"""),
        Cancel);

    private static async Task RefusedAsync(byte[] body, string code)
    {
        await using var stage = await GatewayStage.CreateAsync(Cancel);
        await using var gateway = await stage.ServeAsync(Cancel);
        await RefusedAsync(body, code, stage);
        Assert.Empty(stage.Model.Requests);
        Assert.Equal(new ModelUsage(), stage.Totals);
    }

    private static async Task RefusedAsync(byte[] body, string code, GatewayStage stage)
    {
        var before = stage.Model.Requests.Count;
        var answer = await stage.ExchangeAsync(
            GatewayStage.Request(body, "Content-Encoding: gzip\r\n"), Cancel);

        Assert.Matches("^HTTP/1.1 40[03]", answer);
        Assert.Contains("x-should-retry: false", answer, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(code, stage.Refused.Last().Code);
        Assert.Equal(before, stage.Model.Requests.Count);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Zipped(string text)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Optimal))
        {
            gzip.Write(Encoding.UTF8.GetBytes(text));
        }

        return zipped.ToArray();
    }
}
