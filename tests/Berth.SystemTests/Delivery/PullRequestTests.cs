using System.Text.Json;
using Berth.Engine.Forges;
using Berth.Protocol;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>Pull requests: the client against the stand-in, and a run as a user types it.</summary>
public sealed class PullRequestTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_is_opened_against_the_default_branch_and_found_when_asked_for_again(bool isGitHub)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        using var client = Client(service, isGitHub);
        var order = new PullRequestOrder("berth/fix/1", null, "A title", "A text");

        var opened = await client.OpenAsync(order, Cancel);
        var again = await client.OpenAsync(order, Cancel);
        var other = await client.OpenAsync(order with { Branch = "berth/fix/2", Base = "main" }, Cancel);

        Assert.Equal(opened, again);
        Assert.Equal((41, 42), (opened.Number, other.Number));
        Assert.StartsWith("https://forge.example/me/shop/", opened.Url, StringComparison.Ordinal);
        Assert.Equal(2, service.Opened.Count);
        Assert.Equal(("berth/fix/1", "main", "A title", "A text"), service.Opened.First());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_service_that_is_away_for_a_moment_is_asked_again(bool isGitHub)
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Faults.Enqueue(503);
        service.Faults.Enqueue(429);
        using var client = Client(service, isGitHub);

        var opened = await client.OpenAsync(new PullRequestOrder("b", "main", "A title", "A text"), Cancel);

        Assert.Equal(41, opened.Number);
    }

    [Fact]
    public async Task What_refuses_or_redirects_is_told_and_the_token_goes_nowhere_else()
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        using var client = Client(service, isGitHub: true);
        var order = new PullRequestOrder("b", "no-such-base", "A title", "A text");
        var invalid = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(order, Cancel));
        service.Faults.Enqueue(302);
        var moved = await Assert.ThrowsAsync<FailureException>(() => client.OpenAsync(order, Cancel));
        using var stranger = new ForgeClient(
            new Forge(ForgeKind.GitHub, new Uri(service.GitHub + "/"), "wrong-token", "me/shop"), TimeProvider.System);
        var unknown = await Assert.ThrowsAsync<FailureException>(() => stranger.OpenAsync(order, Cancel));

        Assert.All(
            new[] { invalid, moved, unknown }, failed => Assert.Equal("pull_request_refused", failed.Failure.Code));
        Assert.Contains("\"field\":\"base\"", invalid.Failure.Message, StringComparison.Ordinal);
        Assert.Contains("Bad credentials", unknown.Failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-token", unknown.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_opens_one_with_the_workflows_words_and_one_that_could_not_be_opened_comes_later()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        await using var server = await ServeAsync(home, service);
        await WorkflowAsync(home);
        foreach (var _ in Enumerable.Range(0, 3))
        {
            service.Faults.Enqueue(500);
        }

        var prompt = BerthHome.Prompt("bash echo x > x.txt\n---\ntext I wrote {run}.", "Add the letter x");
        var failed = await home.BerthAsync(Cancel, "run", "words", prompt, "--pr", "--json", "--branch", "work");
        var delivered = await home.BerthAsync(
            Cancel, "deliver", failed.Json.GetProperty("id").GetString()!, "--json");
        var unfinished = await home.BerthAsync(
            Cancel, "run", "words", BerthHome.Prompt("bash echo y > y.txt\n---\nbash echo z\n---\ntext Never."), "--pr",
            "--json", "--max-turns", "1");

        Assert.Equal(1, failed.ExitCode);
        Assert.Equal("pull_request_unreachable", Error(failed.Json));
        Assert.Equal("pushed", failed.Json.GetProperty("push").GetProperty("state").GetString());
        Assert.Equal(0, delivered.ExitCode);
        var request = delivered.Json.GetProperty("push").GetProperty("pullRequest");
        Assert.Equal("https://forge.example/me/shop/pull/41", request.GetProperty("url").GetString());
        var id = failed.Json.GetProperty("id").GetString();
        Assert.Equal(
            ("work", "main", "words: Add the letter x", $"I wrote {{run}}. ({id})"), Assert.Single(service.Opened));

        // The agent had not done it, so nobody is asked to merge it; its branch is there all the same.
        Assert.Equal("max_turns_reached", Error(unfinished.Json));
        Assert.Equal("pushed", unfinished.Json.GetProperty("push").GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, unfinished.Json.GetProperty("push").GetProperty("pullRequest").ValueKind);
    }

    [Fact]
    public async Task Where_nobody_can_be_asked_for_one_the_run_is_refused()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await home.GitAsync(Cancel, "remote", "add", "origin", "https://git.example.invalid/me/shop.git");

        var refused = await home.BerthAsync(Cancel, "run", "implement", "Do it.", "--pr");

        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("pull_request_impossible", refused.Error, StringComparison.Ordinal);
    }

    private static string? Error(JsonElement run) => run.GetProperty("error").GetProperty("code").GetString();

    private static ForgeClient Client(ForgeStandIn service, bool isGitHub) => new(
        new Forge(
            isGitHub ? ForgeKind.GitHub : ForgeKind.GitLab,
            new Uri((isGitHub ? service.GitHub : service.GitLab) + "/"),
            ForgeStandIn.Token,
            "me/shop"),
        TimeProvider.System);

    private static async Task<GitHttpServer> ServeAsync(BerthHome home, ForgeStandIn service)
    {
        var remotes = Directory.CreateDirectory(Path.Combine(home.Folder, "remotes", "me")).FullName;
        await BerthHome.GitInAsync(
            remotes, Cancel, "clone", "-q", "--bare", home.Repository, Path.Combine(remotes, "shop.git"));
        await BerthHome.GitInAsync(Path.Combine(remotes, "shop.git"), Cancel, "config", "http.receivepack", "true");
        var server = await GitHttpServer.StartAsync(Path.GetDirectoryName(remotes)!, Cancel, ForgeStandIn.Token);
        await home.GitAsync(Cancel, "remote", "add", "origin", server.Url("me/shop.git"));
        Directory.CreateDirectory(home.Home);
        var file = Path.Combine(home.Home, "git-credentials.json");
        await File.WriteAllTextAsync(
            file,
            JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal)
            {
                [server.Name] = new { token = ForgeStandIn.Token, api = service.GitHub },
            }),
            Cancel);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return server;
    }

    private static async Task WorkflowAsync(BerthHome home)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home.Home, "workflows", "words")).FullName;
        var files = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["prompt.md"] = "# Words\n",
            ["allowed_tools.json"] = "[\"Bash\"]",
            ["workflow.json"] = """
                { "pullRequestTitle": "{workflow}: {title}", "pullRequestBody": "{summary} ({run})" }
                """,
        };
        foreach (var (name, text) in files)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, name), text, Cancel);
        }
    }
}
