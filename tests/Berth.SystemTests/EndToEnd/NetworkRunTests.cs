using System.Net;
using Berth.SystemTests.Network;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Whole runs of the real CLI with a list of hosts, in each mode.</summary>
public sealed class NetworkRunTests
{
    // Not 127.0.0.1, which no program asks a proxy for.
    private const string Address = "127.0.0.2";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task The_agents_tools_reach_an_allowed_host_and_no_other_one(string mode)
    {
        await using var server = new LoopbackServer(IPAddress.Parse(Address));
        await using var home = await CreateAsync(mode);
        home.Set("BERTH_NETWORK_PRIVATE", Address);
        var script = $"bash git ls-remote http://{Address}:{server.Port}/r 2>/dev/null; "
            + "git ls-remote https://elsewhere.example.com/r 2>&1 | grep -o 403; echo done > done.txt\n---\n"
            + "text It says {{last}}";

        var (command, run) = await home.RunAsync(
            script, Cancel, "--mode", mode, "--allow-host", $"{Address}:{server.Port}", "--branch", "b");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Contains("403", run.GetProperty("result").GetString(), StringComparison.Ordinal);
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
        Assert.StartsWith("GET /r/info/refs", server.Requests.First(), StringComparison.Ordinal);
        var network = run.GetProperty("network");
        Assert.Equal("allowlist", network.GetProperty("mode").GetString());
        Assert.Equal($"{Address}:{server.Port}", network.GetProperty("hosts")[0].GetString());
        Assert.Equal(server.Requests.Count, network.GetProperty("counts").GetProperty("connections").GetInt64());
        Assert.Equal(1, network.GetProperty("counts").GetProperty("refusals").GetInt64());

        var id = run.GetProperty("id").GetString()!;
        var told = home.Journal(id);
        Assert.Contains($"\"network\":\"allowlist ({Address}:{server.Port})\"", told, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"network_connection\"", told, StringComparison.Ordinal);
        Assert.Contains("\"reason\":\"not_allowed\"", told, StringComparison.Ordinal);
        Assert.Contains(
            "may not reach elsewhere.example.com:443", (await home.BerthAsync(Cancel, "logs", id)).Output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_operator_does_not_permit_is_refused_before_anything_is_made()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("BERTH_NETWORK_HOSTS", "*.example.com");
        foreach (var (options, code) in new (string[], string)[]
        {
            (["--network", "open"], "network_not_permitted"),
            (["--sandbox", "none"], "network_not_permitted"),
            (["--allow-host", "example.org"], "network_not_permitted"),
            (["--allow-host", "a.example.com:22"], "network_not_permitted"),
            (["--allow-host", "a.example.com", "--network", "none"], "network_hosts_unused"),
            (["--network", "allowlist"], "network_hosts_missing"),
            (["--allow-host", "not a host"], "network_host_invalid"),
        })
        {
            var refused = await home.BerthAsync(
                Cancel, ["run", "implement", "Do it.", "--mode", "local", "--json", .. options]);
            Assert.Equal(code, refused.Json.GetProperty("error").GetProperty("code").GetString());
        }

        Assert.Empty((await home.BerthAsync(Cancel, "ps", "--all", "--json")).Json.EnumerateArray());
    }

    private static async Task<BerthHome> CreateAsync(string mode)
    {
        var host = mode is "docker" ? SystemTestEnvironment.DockerHost : null;
        var home = await BerthHome.CreateAsync(Cancel);

        // The tests' own supervisor needs a runtime, which is not in a sandbox.
        home.Set("BERTH_SUPERVISOR", SystemTestEnvironment.PublishedSupervisor);
        home.Set("DOCKER_HOST", host);
        home.Set("BERTH_IMAGE", SystemTestEnvironment.RunImage);
        return home;
    }
}
