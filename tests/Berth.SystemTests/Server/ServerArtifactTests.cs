using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Artefacts as a server hands them out, and what it removes by itself.</summary>
public sealed class ServerArtifactTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_browser_is_given_bytes_to_save_whole_or_in_part()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = await RunAsync(server, "echo '<script>' > $BERTH_ARTIFACTS/page.html; echo x > x");
        var (status, list) = await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/artifacts", Soon);
        using var page = await GetAsync(server, $"/api/v1/runs/{id}/artifacts/files/page.html");
        using var part = await GetAsync(server, $"/api/v1/runs/{id}/artifacts/files/page.html", new(1, 3));
        using var beyond = await GetAsync(server, $"/api/v1/runs/{id}/artifacts/files/page.html", new(100, null));
        using var patch = await GetAsync(server, $"/api/v1/runs/{id}/artifacts/changes.patch");
        using var transcript = await GetAsync(server, $"/api/v1/runs/{id}/artifacts/transcript.ndjson");

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal(4, JsonDocument.Parse(list).RootElement.GetArrayLength());
        Assert.Equal("<script>\n", await page.Content.ReadAsStringAsync(Soon));
        Assert.Equal("application/octet-stream", page.Content.Headers.ContentType?.ToString());
        Assert.Equal("attachment", page.Content.Headers.ContentDisposition?.DispositionType);
        Assert.Equal("page.html", page.Content.Headers.ContentDisposition?.FileName);
        Assert.Equal(["nosniff"], page.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(9, page.Content.Headers.ContentLength);
        Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
        Assert.Equal("scr", await part.Content.ReadAsStringAsync(Soon));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, beyond.StatusCode);
        Assert.Contains("Subject:", await patch.Content.ReadAsStringAsync(Soon), StringComparison.Ordinal);
        Assert.Equal("attachment", patch.Content.Headers.ContentDisposition?.DispositionType);
        Assert.Equal(
            await File.ReadAllTextAsync(server.Home.RunFile(id, "events.ndjson"), Soon),
            await transcript.Content.ReadAsStringAsync(Soon));
    }

    [Fact]
    public async Task No_name_leads_out_of_the_run()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = await RunAsync(server, "echo here > $BERTH_ARTIFACTS/here");
        foreach (var name in new[]
        {
            "files/..%2f..%2fspec.json", "files/%2e%2e/spec.json", "files/%2e%2e%2fspec.json",
            "//etc/passwd", "%2fetc%2fpasswd", "files//etc/passwd", "files/", "files", "files/a%00b", "files/here%00",
            "spec.json", "host-secrets.json", "../spec.json", "files/../../spec.json", "files/%252e%252e/spec.json",
            "files/here/",
            "files/here/..", "%2e%2e/%2e%2e/%2e%2e/berth.db", "files/%ff", "changes.patch", "files/..\\..\\spec.json",
            "files/here%0d%0aX:y",
        })
        {
            var answer = await RawAsync(server, $"/api/v1/runs/{id}/artifacts/{name}");

            Assert.Matches("^HTTP/1.1 40[04] ", $"{answer} ({name})");
            Assert.DoesNotContain("octet-stream", answer, StringComparison.Ordinal);
            Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);
        }

        var good = await RawAsync(server, $"/api/v1/runs/{id}/artifacts/files/here");
        Assert.EndsWith("\r\n\r\nhere\n", good, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_has_them_of_a_server_too()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var id = await RunAsync(
            server, "cd $BERTH_ARTIFACTS && mkdir 'a b' && echo here > 'a b/100%#?.txt'");
        server.Home.Set("BERTH_TOKEN", server.Token);
        var at = server.Url.GetLeftPart(UriPartial.Authority);
        var list = await server.Home.BerthAsync(Soon, "artifacts", id, "--json", "--server", at);
        var one = await server.Home.BerthAsync(Soon, "artifacts", id, "files/a b/100%#?.txt", "--server", at);
        var all = await server.Home.BerthAsync(
            Soon, "artifacts", id, "--all", "--output", "../left", "--server", at);
        var gone = await server.Home.BerthAsync(Soon, "artifacts", id, "files/no", "--server", at);
        var bound = await server.Home.BerthAsync(Soon, "cleanup", "--max-size", "1G", "--server", at);

        Assert.Equal(
            ["conversation.jsonl", "transcript.ndjson", "files/a b/100%#?.txt"],
            list.Json.EnumerateArray().Select(each => each.GetProperty("name").GetString()));
        Assert.Equal("here\n", one.Output);
        Assert.True(all.ExitCode == 0, all.Error);
        Assert.Equal("here\n", await File.ReadAllTextAsync(
            Path.Combine(server.Home.Folder, "left", "files", "a b", "100%#?.txt"), Soon));
        Assert.Contains("artifact_not_found", gone.Error, StringComparison.Ordinal);
        Assert.Contains("usage", bound.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_removes_by_itself_what_is_too_old_and_too_much()
    {
        await using var server = await ServerHome.PrepareAsync(Soon);
        var home = server.Home;
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var (_, run) = await home.RunAsync(
                "bash head -c 900K /dev/zero > $BERTH_ARTIFACTS/big\n---\ntext Done.", Soon, "--keep");
            ids.Add(run.GetProperty("id").GetString()!);
        }

        // The newest is past the lifetime, and of the others one is too much.
        File.SetLastWriteTimeUtc(home.RunFile(ids[2], "conversation.jsonl"), DateTime.UtcNow.AddDays(-31));
        Directory.SetLastWriteTimeUtc(home.RunFile(ids[2], "artifacts"), DateTime.UtcNow.AddDays(-31));
        home.Set("BERTH_RETENTION_BYTES", "1500K");
        await server.StartAgainAsync(Soon);
        await Eventually.TrueAsync(
            () => !Directory.Exists(home.RunFile(ids[0], "workspace")), "the oldest run gives way", BerthHome.Patience);
        server.Signal(15);
        await server.EndAsync(Soon);

        Assert.Equal(
            [false, true, false], ids.Select(id => Directory.Exists(home.RunFile(id, "artifacts"))));
        Assert.Equal([false, true, true], ids.Select(id => Directory.Exists(home.RunFile(id, "workspace"))));
        Assert.All(ids, id => Assert.True(File.Exists(home.RunFile(id, "events.ndjson"))));
        Assert.Contains("retention", server.Log, StringComparison.Ordinal);
        Assert.Contains(ids[0], server.Log, StringComparison.Ordinal);
        Assert.Contains($"berth run.retention {ids[0]} ", ServerState.Audit(server), StringComparer.Ordinal);
        Assert.DoesNotContain($"berth run.retention {ids[1]} ", ServerState.Audit(server), StringComparer.Ordinal);
    }

    [Theory]
    [InlineData("BERTH_RETENTION_BYTES", "1M")]
    [InlineData("BERTH_RETENTION_AGE", "1h")]
    public async Task F75_A_server_never_removes_by_itself_what_is_only_in_a_workspace(string setting, string value)
    {
        await using var server = await ServerHome.PrepareAsync(Soon);
        var home = server.Home;
        const string Much = "head -c 1100K /dev/zero > $BERTH_ARTIFACTS/big";
        var (_, only) = await home.RunAsync(
            $"bash {Much}; echo 'git init -q inner; echo x > inner/mine' > do.sh; sh do.sh\n---\ntext Done.", Soon);
        var (_, kept) = await home.RunAsync($"bash {Much}; echo x > x\n---\ntext Done.", Soon, "--keep");
        var (first, second) = (only.GetProperty("id").GetString()!, kept.GetProperty("id").GetString()!);
        Assert.True(Directory.Exists(home.RunFile(first, "workspace")));
        ServerState.MakeOlder(home, TimeSpan.FromHours(2));
        home.Set(setting, value);
        await server.StartAgainAsync(Soon);
        await Eventually.TrueAsync(
            () => !Directory.Exists(home.RunFile(second, "workspace")), "the other run gives way", BerthHome.Patience);
        server.Signal(15);
        await server.EndAsync(Soon);

        Assert.True(File.Exists(Path.Combine(home.RunFile(first, "workspace"), "inner", "mine")));
        Assert.Equal(0, (await home.BerthAsync(Soon, "cleanup", first)).ExitCode);
        Assert.False(Directory.Exists(home.RunFile(first, "workspace")));
    }

    private static async Task<string> RunAsync(ServerHome server, string command)
    {
        var run = await server.SubmitAsync($"bash {command}\n---\ntext Done.", Soon);
        var id = run.GetProperty("id").GetString()!;
        var ended = await server.FinalAsync(id, Soon);
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        return id;
    }

    private static async Task<HttpResponseMessage> GetAsync(
        ServerHome server, string path, RangeItemHeaderValue? range = null)
    {
        using var http = new HttpClient();
        using var request = server.Request(HttpMethod.Get, path);
        request.Headers.Range = range is null ? null : new RangeHeaderValue(range.From, range.To);
        return await http.SendAsync(request, Soon);
    }

    // As it stands: a client would have tidied the address.
    private static async Task<string> RawAsync(ServerHome server, string path)
    {
        var request = string.Create(
            CultureInfo.InvariantCulture,
            $"GET {path} HTTP/1.1\r\nHost: {server.Url.Authority}\r\nAuthorization: Bearer {server.Token}\r\n"
                + $"Connection: close\r\n\r\n");
        using var client = new TcpClient();
        await client.ConnectAsync(server.Url.Host, server.Url.Port, Soon);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request), Soon);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(Soon).WaitAsync(BerthHome.Patience, Soon);
    }
}
