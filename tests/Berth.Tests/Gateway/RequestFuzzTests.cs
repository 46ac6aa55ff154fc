using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Berth.Engine.Gateway;
using Berth.Engine.Network;
using Xunit;

namespace Berth.Tests.Gateway;

/// <summary>Requests that were spoilt at random, for the readers of the gateway and of the egress proxy.</summary>
public sealed class RequestFuzzTests
{
    private const int Rounds = 20_000;

    private static readonly string[] Parts =
    [
        "\"mcp_servers\":[]", "\"mcp\\u005fservers\":1", "{", "}", "[", "]", ",", ":", "\"", "\\", "\"type\":\"url\"",
        "\"model\":\"m\"", "null", "1e9", "\ufeff", "\0", "\"content\":", "\"source\":{\"type\":\"url\"}",
    ];

    private static readonly string[] HeadParts =
    [
        "\r\n", "\n", "\r", " ", "\t", ":", "Host: e.example", "Content-Length: 1", "Transfer-Encoding: chunked",
        "CONNECT ", "http://", "@", "#", "[::1]", "%00", "\0", "..", "\r\n\r\n", "HTTP/1.1",
    ];

    [Fact]
    public void F45_No_spoilt_request_breaks_the_judge_or_gets_a_forbidden_field_past_it()
    {
        const string Valid = """
            {"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}
            """;
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var body = Encoding.UTF8.GetBytes(Spoilt(Valid, Parts, random));
            var judged = RequestJudge.Judge(body, GatewayPolicy.Closed);
            if (judged.Refusal is not null)
            {
                continue;
            }

            using var read = JsonDocument.Parse(body);
            Assert.False(
                read.RootElement.TryGetProperty("mcp_servers", out _), $"seed {seed}: {Encoding.UTF8.GetString(body)}");
            Assert.False(
                read.RootElement.GetRawText().Contains("\"type\":\"url\"", StringComparison.Ordinal)
                    && !read.RootElement.TryGetProperty("metadata", out _),
                $"seed {seed}: {Encoding.UTF8.GetString(body)}");
        }
    }

    [Fact]
    public void F45_No_spoilt_head_breaks_the_proxy_or_says_two_things_to_a_server()
    {
        const string Valid = "GET http://e.example/a?b HTTP/1.1\r\nHost: e.example\r\nAccept: */*\r\n\r\n";
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var round = 0; round < Rounds; round++)
        {
            var head = Encoding.Latin1.GetBytes(Spoilt(Valid, HeadParts, random));
            if (ProxyRequest.Parse(head, out _) is not { IsTunnel: false } request)
            {
                continue;
            }

            var lines = Encoding.Latin1.GetString(request.Opening).Split("\r\n");
            Assert.All(lines, line => Assert.False(line.AsSpan().ContainsAny('\r', '\n'), $"seed {seed}: {line}"));
            Assert.Single(lines, line => line.StartsWith("Host:", StringComparison.OrdinalIgnoreCase));
            Assert.Equal("", lines[^1]);
            Assert.Equal("", lines[^2]);
            Assert.DoesNotContain("", lines[..^2], StringComparer.Ordinal);
        }
    }

    [Fact]
    public void F45_Deep_and_wide_requests_are_judged_quickly()
    {
        var began = Stopwatch.GetTimestamp();
        foreach (var unit in (string[])["{\"content\":", "[", "{\"a\":1,", "\"\\u0061\","])
        {
            var text = "{\"messages\":" + string.Concat(Enumerable.Repeat(unit, 200_000));
            _ = RequestJudge.Judge(Encoding.UTF8.GetBytes(text), GatewayPolicy.Closed);
        }

        Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromMinutes(1));
    }

    private static string Spoilt(string text, string[] parts, Random random)
    {
        var spoilt = new StringBuilder(text);
        for (var change = random.Next(1, 5); change > 0; change--)
        {
            var at = random.Next(spoilt.Length);
            switch (random.Next(3))
            {
                case 0:
                    spoilt.Insert(at, parts[random.Next(parts.Length)]);
                    break;
                case 1:
                    spoilt.Remove(at, Math.Min(random.Next(1, 6), spoilt.Length - at));
                    break;
                default:
                    spoilt[at] = (char)random.Next(256);
                    break;
            }

            if (spoilt.Length == 0)
            {
                break;
            }
        }

        return spoilt.ToString();
    }
}
