using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What generated and standard clients do that hand-written ones do not.</summary>
public sealed class ClientTrapTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F62_The_best_form_is_chosen_by_quality_and_order_and_names_may_be_encoded()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = await RunAsync(
            server,
            "cd $BERTH_ARTIFACTS && mkdir -p a && echo in > a/b && echo %2F > a%2Fb");
        foreach (var (accept, json) in new[]
        {
            ("application/json", true), ("text/plain", false), ("*/*", false), (string.Empty, false),
            ("application/json;q=0.1, text/plain", false), ("text/plain;q=0.1, application/json", true),
            ("application/json, text/plain", true), ("text/plain, application/json", false),
            ("application/json;q=0, */*", false), ("application/*;q=0.9, text/plain;q=0.5", true),
            ("text/plain;q=0, */*;q=0.1", true), ("APPLICATION/JSON; charset=utf-8", true),
            ("text/html, application/xhtml+xml, */*;q=0.8", false), ("application/jsonx", false),
            ("text/html;x=\"application/json\"", false), ("image/png", false), (";;;", false),
        })
        {
            using var answer = await AskAsync(server, HttpMethod.Get, $"/api/v1/runs/{id}/diff", ("Accept", accept));
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.True(
                answer.Content.Headers.ContentType?.MediaType is "application/json" == json,
                $"{accept}: {answer.Content.Headers.ContentType}");
            Assert.Contains("Accept", answer.Headers.Vary, StringComparer.Ordinal);
        }

        using var lines = await AskAsync(
            server, HttpMethod.Get, $"/api/v1/runs/{id}/events",
            ("Accept", "text/event-stream;q=0.5, application/x-ndjson"));
        Assert.Equal("application/x-ndjson", lines.Content.Headers.ContentType?.MediaType);
        foreach (var (name, text) in new[]
        {
            ("files/a/b", "in\n"), ("files%2Fa%2Fb", "in\n"), ("files%2fa/b", "in\n"), ("files/a%252Fb", "%2F\n"),
            ("files%2Fa%252Fb", "%2F\n"),
        })
        {
            using var answer = await AskAsync(server, HttpMethod.Get, $"/api/v1/runs/{id}/artifacts/{name}");
            Assert.Equal(text, await answer.Content.ReadAsStringAsync(Soon));
        }
    }

    [Fact]
    public async Task F63_An_EventSource_ends_after_the_last_event_and_HEAD_is_as_GET()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = await RunAsync(server, "echo x > x");
        var path = $"/api/v1/runs/{id}/events";
        using var all = await AskAsync(server, HttpMethod.Get, path, ("Accept", "text/event-stream"));
        var blocks = (await all.Content.ReadAsStringAsync(Soon)).Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        var last = 0L;
        Assert.Matches("^retry: [0-9]+$", blocks[0]);
        foreach (var block in blocks.Skip(1))
        {
            var fields = block.Split('\n').Select(line => line.Split(": ", 2)).ToDictionary(
                field => field[0], field => field[1], StringComparer.Ordinal);
            using var data = JsonDocument.Parse(fields["data"]);
            Assert.Equal(data.RootElement.GetProperty("stream").GetString(), fields["event"]);
            Assert.Equal(data.RootElement.GetProperty("seq").GetInt64(), last = long.Parse(fields["id"], null));
        }

        foreach (var (name, value, query) in new[]
        {
            ("Last-Event-ID", $"{last}", string.Empty), ("Accept", "*/*", $"?after={last}"),
            ("Accept", "text/event-stream", $"?after={last}&follow=false"),
        })
        {
            using var over = await AskAsync(server, HttpMethod.Get, path + query, (name, value));
            Assert.Equal(HttpStatusCode.NoContent, over.StatusCode);
        }

        using var before = await AskAsync(server, HttpMethod.Get, path, ("Last-Event-ID", $"{last - 1}"));
        Assert.Contains("run_finished", await before.Content.ReadAsStringAsync(Soon), StringComparison.Ordinal);
        using var empty = await AskAsync(
            server, HttpMethod.Get, $"{path}?after={last}", ("Accept", "application/x-ndjson"));
        Assert.Equal(HttpStatusCode.OK, empty.StatusCode);
        Assert.Empty(await empty.Content.ReadAsStringAsync(Soon));
        await AssertHeadsAsync(server, id);
    }

    // Over a bare socket: a client would not show a body that should not be there.
    private static async Task AssertHeadsAsync(ServerHome server, string id)
    {
        foreach (var path in new[]
        {
            "/healthz", "/readyz", "/openapi.json", "/swagger", "/api/v1/version", "/api/v1/runs", $"/api/v1/runs/{id}",
            $"/api/v1/runs/{id}/events", $"/api/v1/runs/{id}/log?follow=true", $"/api/v1/runs/{id}/diff",
            $"/api/v1/runs/{id}/artifacts/transcript.ndjson", "/api/v1/runs/none",
        })
        {
            var head = await RawAsync(server, "HEAD", path);
            var end = head.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            Assert.True(end == head.Length - 4, $"{path}: {head}");
            Assert.StartsWith(
                path.EndsWith("none", StringComparison.Ordinal) ? "HTTP/1.1 404" : "HTTP/1.1 200", head,
                StringComparison.Ordinal);
        }

        Assert.StartsWith("HTTP/1.1 405", await RawAsync(server, "HEAD", $"/api/v1/runs/{id}/cancel"));
    }

    private static async Task<string> RunAsync(ServerHome server, string command)
    {
        var id = (await server.SubmitAsync($"bash {command}\n---\ntext Done.", Soon)).GetProperty("id").GetString()!;
        Assert.Equal("succeeded", (await server.FinalAsync(id, Soon)).GetProperty("state").GetString());
        return id;
    }

    private static async Task<HttpResponseMessage> AskAsync(
        ServerHome server, HttpMethod method, string path, params (string Name, string Value)[] headers)
    {
        using var http = new HttpClient { Timeout = BerthHome.Patience };
        using var request = server.Request(method, path);
        foreach (var (name, value) in headers.Where(header => header.Value.Length > 0))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.SendAsync(request, Soon);
    }

    private static async Task<string> RawAsync(ServerHome server, string method, string path)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(server.Url.Host, server.Url.Port, Soon);
        await using var stream = client.GetStream();
        await stream.WriteAsync(
            Encoding.ASCII.GetBytes(
                $"{method} {path} HTTP/1.1\r\nHost: {server.Url.Authority}\r\nAuthorization: Bearer {server.Token}\r\n"
                + "Connection: close\r\n\r\n"),
            Soon);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(Soon).WaitAsync(BerthHome.Patience, Soon);
    }
}
