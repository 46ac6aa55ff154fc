using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>The commands that ask a server, from another home.</summary>
public sealed class ServerCommandTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Commands_do_the_same_at_a_server_as_at_home()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await using var client = await ClientOfAsync(server);

        var run = await client.BerthAsync(
            Soon, "run", "implement", BerthHome.Prompt("bash echo hello > hello.txt\n---\ntext Done."),
            "--repo", server.Home.Repository, "--label", "team=shop", "--json");
        var id = run.Json.GetProperty("id").GetString()!;
        var listed = await client.BerthAsync(Soon, "ps", "--json");
        var found = await client.BerthAsync(Soon, "ps", "-q", "-l", "team=shop", "-s", "ended", "-w", "implement");
        var none = await client.BerthAsync(Soon, "ps", "-q", "-l", "team=shop", "-s", "open");
        var shown = await client.BerthAsync(Soon, "show", id[^8..], "--json");
        var said = await client.BerthAsync(Soon, "logs", id);
        var raw = await client.BerthAsync(Soon, "logs", id, "--raw");
        var diff = await client.BerthAsync(Soon, "diff", id);
        var cleaned = await client.BerthAsync(Soon, "cleanup", "--all", "--dry-run", "--json");

        Assert.Equal((0, string.Empty), (run.ExitCode, run.Output.Length > 0 ? string.Empty : run.Error));
        Assert.Equal("succeeded", run.Json.GetProperty("state").GetString());
        Assert.Equal(id, Assert.Single(listed.Json.EnumerateArray()).GetProperty("id").GetString());
        Assert.Equal((id, string.Empty), (found.Output.Trim(), none.Output));
        Assert.Equal("Please do it.", shown.Json.GetProperty("title").GetString());
        Assert.Equal("admin", shown.Json.GetProperty("createdBy").GetString());
        Assert.Contains("Done.", said.Output, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"result\"", raw.Output, StringComparison.Ordinal);
        Assert.Contains("+hello", diff.Output, StringComparison.Ordinal);
        Assert.Equal(0, cleaned.ExitCode);
        Assert.False(Directory.Exists(Path.Combine(client.Home, "runs")));
    }

    [Fact]
    public async Task A_command_stays_with_its_run_while_the_server_is_killed_and_started_again()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await using var client = await ClientOfAsync(server);
        using var command = client.Start(
            null, "run", "implement", BerthHome.Prompt("bash touch started; sleep 3\n---\ntext Done."),
            "--repo", server.Home.Repository);
        await Eventually.TrueAsync(
            () => Directory.Exists(Path.Combine(server.Home.Home, "runs")) && Directory.EnumerateFiles(
                Path.Combine(server.Home.Home, "runs"), "started", SearchOption.AllDirectories).Any(),
            "the agent works");

        await server.KillAsync(Soon);
        await server.StartAgainAsync(Soon, samePlace: true);
        var ended = await command.EndAsync(Soon);

        Assert.Equal(0, ended.ExitCode);
        Assert.Contains("Done.", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_is_wrong_and_an_option_that_a_server_does_not_have_are_said()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        await using var client = await ClientOfAsync(server);

        var option = await client.BerthAsync(
            Soon, "run", "implement", "Do it.", "--image", "debian", "--repo", server.Home.Repository);
        var nobody = await client.BerthAsync(Soon, "ps", "--server", "http://127.0.0.1:1");
        client.Set("BERTH_TOKEN", "berth_wrong");
        var token = await client.BerthAsync(Soon, "ps", "--server", server.Url.AbsoluteUri);

        Assert.Equal(2, option.ExitCode);
        Assert.Contains("--image cannot be asked of a server", option.Error, StringComparison.Ordinal);
        Assert.Equal(5, nobody.ExitCode);
        Assert.Contains("server_unreachable", nobody.Error, StringComparison.Ordinal);
        Assert.Equal(2, token.ExitCode);
        Assert.Contains("token_invalid", token.Error, StringComparison.Ordinal);
    }

    private static async Task<BerthHome> ClientOfAsync(ServerHome server)
    {
        var client = await BerthHome.CreateAsync(Soon);
        client.Set("BERTH_SERVER", server.Url.AbsoluteUri);
        client.Set("BERTH_TOKEN", server.Token);
        return client;
    }
}
