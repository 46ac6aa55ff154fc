using System.Net;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>The page that shows the API, in a real browser.</summary>
public sealed class ApiPageTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_browser_shows_every_operation_and_asks_nobody_else()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var profile = Path.Combine(server.Home.Folder, "browser");

        using var browser = server.Home.StartProgram(
            "/usr/bin/env", null, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--enable-logging=stderr",
            $"--user-data-dir={profile}", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            "--virtual-time-budget=20000", "--dump-dom", $"{server.Url}swagger");
        var shown = await browser.EndAsync(Soon);

        Assert.True(shown.ExitCode == 0, shown.Error);
        Assert.All(
            ApiCalls.Document.Operations,
            each => Assert.Contains(
                each.Definition.GetProperty("summary").GetString()!, shown.Output,
                StringComparison.Ordinal));
        Assert.DoesNotContain("Content Security Policy", shown.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Refused to", shown.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("ERR_", shown.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_needs_no_token_and_may_load_only_what_is_the_server_s()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        using var http = new HttpClient();
        using var packed = new HttpClient(new SocketsHttpHandler { AutomaticDecompression = DecompressionMethods.All });
        var script = new Uri(server.Url, "/swagger/swagger-ui-bundle.js");

        using var page = await http.GetAsync(new Uri(server.Url, "/swagger"), Soon);
        var text = await page.Content.ReadAsStringAsync(Soon);
        var policy = page.Headers.GetValues("Content-Security-Policy").Single();
        using var nothing = await http.GetAsync(new Uri(server.Url, "/swagger/index.html"), Soon);

        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);
        Assert.StartsWith("default-src 'none'; script-src 'self';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("http", text, StringComparison.Ordinal);
        Assert.Equal(await http.GetStringAsync(script, Soon), await packed.GetStringAsync(script, Soon));
        Assert.Equal(HttpStatusCode.NotFound, nothing.StatusCode);
    }
}
