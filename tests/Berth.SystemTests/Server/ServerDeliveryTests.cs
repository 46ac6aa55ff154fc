using System.Net;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Pushes asked of a server.</summary>
public sealed class ServerDeliveryTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_push_that_was_refused_can_be_asked_for_again_by_who_may()
    {
        await using var server = await ServerHome.StartAsync(Soon, [("BERTH_RUNS_SHARED", "true")]);
        var home = server.Home;
        var remote = Path.Combine(home.Folder, "shop.git");
        await BerthHome.GitInAsync(home.Folder, Soon, "clone", "-q", "--bare", home.Repository, remote);
        await home.GitAsync(Soon, "remote", "add", "origin", remote);
        var hook = Path.Combine(remote, "hooks", "update");
        await File.WriteAllTextAsync(hook, "#!/bin/sh\necho closed\nexit 1\n", Soon);
        File.SetUnixFileMode(hook, (UnixFileMode)0x1ED);
        var run = await server.SubmitAsync(
            "bash echo hello > hello.txt\n---\ntext Done.",
            Soon,
            new(StringComparer.Ordinal) { ["push"] = true, ["branch"] = "work" });
        var id = run.GetProperty("id").GetString()!;
        run = await server.FinalAsync(id, Soon);
        var viewer = await TokenAsync(server, "viewer");
        var operate = await TokenAsync(server, "operator");
        var address = $"/api/v1/runs/{id}/deliver";

        Assert.Equal("push_refused", run.GetProperty("push").GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, address, viewer));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(server, address + "?allowSecrets=true", operate));
        Assert.Equal(HttpStatusCode.Conflict, await StatusAsync(server, address, operate));
        File.Delete(hook);
        var (status, body) = await server.AskAsync(HttpMethod.Post, address, Soon, token: operate);

        Assert.Equal(HttpStatusCode.OK, status);
        var push = JsonDocument.Parse(body).RootElement.GetProperty("push");
        Assert.Equal("pushed", push.GetProperty("state").GetString());
        Assert.Equal("hello\n", await BerthHome.GitInAsync(remote, Soon, "show", "work:hello.txt"));
        home.Set("BERTH_SERVER", server.Url.AbsoluteUri);
        home.Set("BERTH_TOKEN", operate);
        Assert.Equal(0, (await home.BerthAsync(Soon, "deliver", id)).ExitCode);
        home.Set("BERTH_SERVER", null);
    }

    private static async Task<HttpStatusCode> StatusAsync(ServerHome server, string address, string token) =>
        (await server.AskAsync(HttpMethod.Post, address, Soon, token: token)).Status;

    private static async Task<string> TokenAsync(ServerHome server, string role)
    {
        var made = await server.Home.BerthAsync(
            Soon, "token", "create", "--name", $"a-{role}", "--role", role, "--json");
        return made.Json.GetProperty("token").GetString()!;
    }
}
