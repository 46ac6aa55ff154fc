using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Berth.Engine.Git;
using Berth.SystemTests.Delivery;
using Berth.SystemTests.EndToEnd;
using Berth.SystemTests.Network;
using Berth.SystemTests.Server;
using Berth.SystemTests.Workspaces;
using Xunit;

namespace Berth.SystemTests.Git;

/// <summary>What an operator can have a server reach by the URL of a repository, with real git, curl and ssh.</summary>
public sealed class RepositoryGuardRunTests
{
    private const string Name = "pinned.invalid";

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F51_An_operator_learns_nothing_of_the_ports_of_the_servers_machine()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await using var open = new LoopbackServer();
        var closed = FreePort();
        var token = await TokenAsync(server);
        var texts = new HashSet<string>(StringComparer.Ordinal);
        foreach (var url in new[]
        {
            $"http://127.0.0.1:{open.Port}/r.git", $"http://127.0.0.1:{closed}/r.git",
            $"http://localhost:{open.Port}/r.git", $"https://127.0.0.1:{open.Port}/r.git",
            $"https://2130706433:{open.Port}/r.git", $"ssh://git@127.0.0.1:{open.Port}/r.git",
            $"https://nosuch.invalid:{closed}/r.git", "git@localhost:r.git",
        })
        {
            var (status, text) = await server.AskAsync(
                HttpMethod.Post, "/api/v1/runs", Soon,
                server.Body("text Done.", new(StringComparer.Ordinal) { ["repository"] = url }), token);
            var (earlier, old) = await server.AskAsync(
                HttpMethod.Post, "/api/v1/agent/claude-code/implement/run", Soon,
                JsonSerializer.Serialize(new { message = "x", repository_url = url }), token);

            Assert.Equal((url, HttpStatusCode.BadRequest), (url, status));
            Assert.Equal((url, HttpStatusCode.BadRequest), (url, earlier));
            texts.Add(text.Replace(url, "URL", StringComparison.Ordinal));
            texts.Add(old.Replace(url, "URL", StringComparison.Ordinal));
        }

        Assert.Contains("repository_unreachable", Assert.Single(texts), StringComparison.Ordinal);
        Assert.Empty(open.Requests);
    }

    [Fact]
    public async Task F51_A_host_that_is_named_is_reached_and_a_redirect_from_it_is_not_followed()
    {
        await using var server = await ServerHome.PrepareAsync(Soon);
        await BerthHome.GitInAsync(
            server.Home.Folder, Soon, "clone", "-q", "--bare", server.Home.Repository, "served.git");
        await using var inner = await GitHttpServer.StartAsync(server.Home.Folder, Soon);
        await using var git = await GitHttpServer.StartAsync(server.Home.Folder, Soon);
        await using var moved = await GitHttpServer.StartAsync(
            server.Home.Folder, Soon, redirectTo: $"http://127.0.0.1:{inner.Port}");
        server.Home.Set("BERTH_REPOSITORY_HOSTS", $"127.0.0.1:{git.Port}, 127.0.0.1:{moved.Port}");
        await server.StartAgainAsync(Soon);
        var token = await TokenAsync(server);

        var good = await EndAsync(server, git.Url("served.git"), token);
        var bad = await EndAsync(server, moved.Url("served.git"), token);

        Assert.Equal("succeeded", good.GetProperty("state").GetString());
        Assert.Equal("repository_unreachable", bad.GetProperty("error").GetProperty("code").GetString());
        Assert.NotEmpty(moved.Asked);
        Assert.Empty(inner.Asked);
    }

    [Fact]
    public async Task F51_Git_connects_to_the_address_that_was_judged_whatever_the_name_means()
    {
        await using var place = new GitPlayground(SystemTestEnvironment.Supervisor);
        await place.GitAsync(place.Root, "init", "-q", "--bare", "served.git");
        await using var git = await GitHttpServer.StartAsync(place.Root, Soon);
        place.Judge = Pinned;

        var listed = await place.Git.ListRemoteAsync(git.Url("served.git", Name), isGuarded: true, Soon);
        var free = await place.Git.ListRemoteAsync(git.Url("served.git", Name), isGuarded: false, Soon);

        Assert.True(listed.Succeeded, listed.Excerpt);
        Assert.False(free.Succeeded);
    }

    [Fact]
    public async Task F51_Ssh_connects_to_the_address_that_was_judged_and_checks_the_key_of_the_name()
    {
        await using var place = new GitPlayground(SystemTestEnvironment.Supervisor);
        await place.GitAsync(place.Root, "init", "-q", "--bare", "served.git");
        await using var ssh = await SshServer.StartAsync(place.Root, Soon);
        place.Judge = Pinned;
        var key = (await File.ReadAllTextAsync(ssh.KnownHosts, Soon)).Replace(
            "127.0.0.1", Name, StringComparison.Ordinal);
        await File.WriteAllTextAsync(ssh.KnownHosts, key, Soon);
        WriteCredentials(place, ssh, ssh.KnownHosts);
        var url = ssh.Url(place.At("served.git")).Replace("127.0.0.1", Name, StringComparison.Ordinal);

        var listed = await place.Git.ListRemoteAsync(url, isGuarded: true, Soon);
        WriteCredentials(place, ssh, ssh.OtherKnownHosts);
        var untrusted = await place.Git.ListRemoteAsync(url, isGuarded: true, Soon);

        Assert.True(listed.Succeeded, listed.Excerpt);
        Assert.Equal(GitProblem.Untrusted, untrusted.Problem);
    }

    private static Task<RemotePin> Pinned(string location, CancellationToken cancel) =>
        Task.FromResult(new RemotePin(RemotePlace.Of(location)!, [IPAddress.Loopback]));

    private static void WriteCredentials(GitPlayground place, SshServer ssh, string known)
    {
        var name = ssh.Name.Replace("127.0.0.1", Name, StringComparison.Ordinal);
        var file = place.At(GitPlayground.CredentialsName);
        var entries = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            [name] = new { sshKey = ssh.UserKey, knownHosts = known },
        };
        File.WriteAllText(file, JsonSerializer.Serialize(entries));
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static async Task<JsonElement> EndAsync(ServerHome server, string url, string token)
    {
        var (status, text) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/runs", Soon,
            server.Body("text Done.", new(StringComparer.Ordinal) { ["repository"] = url }), token);
        Assert.True(status == HttpStatusCode.Accepted, text);
        return await server.FinalAsync(JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()!, Soon);
    }

    private static async Task<string> TokenAsync(ServerHome server) =>
        (await server.Home.BerthAsync(Soon, "token", "create", "--name", "ada", "--role", "operator", "--json"))
            .Json.GetProperty("token").GetString()!;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
