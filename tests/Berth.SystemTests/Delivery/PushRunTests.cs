using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>Runs with <c>--push</c>, as users type them: the real CLI, and a git server that wants a token.</summary>
public sealed class PushRunTests
{
    private const string Token = "t0ken-of-the-tests-0123456789";
    private const string Write = "bash echo hello > hello.txt\n---\ntext Done.";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_branch_of_a_run_is_at_the_remote_and_the_token_is_nowhere()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var server = await ServeAsync(home);
        var (command, run) = await home.RunAsync(
            "bash env > env.txt; cat /proc/*/environ > all.txt; git config --list > config.txt\n---\ntext Done.",
            Cancel, "--push", "--env", "DEPLOY_KEY=a-secret-of-the-run", "--env", "PLAIN=short");

        // The agent wrote its environment down: that is just what must not leave.
        Assert.Equal(1, command.ExitCode);
        Assert.Equal("push_blocked_by_secret", run.GetProperty("error").GetProperty("code").GetString());

        var (good, pushed) = await home.RunAsync(Write, Cancel, "--push", "--env", "DEPLOY_KEY=a-secret-of-the-run");
        var push = pushed.GetProperty("push");
        Assert.Equal(0, good.ExitCode);
        Assert.Equal("pushed", push.GetProperty("state").GetString());
        Assert.Equal(server.Url("shop.git"), push.GetProperty("remote").GetString());
        Assert.Equal(
            push.GetProperty("commit").GetString() + "\n",
            await BerthHome.GitInAsync(Remote(home), Cancel, "rev-parse", push.GetProperty("branch").GetString()!));
        Assert.Contains("pushed berth/implement/", good.Error, StringComparison.Ordinal);
        Assert.Contains("pushed     ", (await ShowAsync(home, pushed)).Output, StringComparison.Ordinal);
        AssertNowhere(home, Token, "git-credentials.json");
        AssertNowhere(home, Convert.ToBase64String(Encoding.UTF8.GetBytes($"x-access-token:{Token}")), "-");
        AssertNowhere(home, "a-secret-of-the-run", $"{run.GetProperty("id").GetString()}");
        Assert.False(File.Exists(home.RunFile(pushed.GetProperty("id").GetString()!, "host-secrets.json")));
    }

    [Fact]
    public async Task F74_What_is_beside_the_branch_is_not_pushed_and_that_is_said()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var server = await ServeAsync(home);
        var (command, run) = await home.RunAsync(
            "bash echo work > stashed.txt; git stash -q -u; echo hello > hello.txt\n---\ntext Done.",
            Cancel, "--push", "--branch", "work");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("main\nwork\n", await BerthHome.GitInAsync(
            Remote(home), Cancel, "branch", "--format=%(refname:short)"));
        Assert.Equal("work\n", await home.GitAsync(Cancel, "show", "work-stash^3:stashed.txt"));
        Assert.Matches("work-stash .*not pushed", command.Error);
        Assert.Matches("work-stash .*not pushed", (await ShowAsync(home, run)).Output);
    }

    [Fact]
    public async Task D36_A_run_whose_remote_is_down_keeps_its_work_and_is_delivered_later()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var server = await ServeAsync(home);
        var port = server.Port;
        await server.DisposeAsync();
        var (command, run) = await home.RunAsync(Write, Cancel, "--push", "--branch", "work");
        var id = run.GetProperty("id").GetString()!;
        var still = await home.BerthAsync(Cancel, "deliver", id);

        Assert.Equal(1, command.ExitCode);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("push_unreachable", run.GetProperty("error").GetProperty("code").GetString());
        Assert.StartsWith(
            "Delivery failed", run.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal("hello\n", await home.GitAsync(Cancel, "show", "work:hello.txt"));
        Assert.Equal(1, still.ExitCode);

        await using var back = await GitHttpServer.StartAsync(home.Folder, Cancel, Token, port: port);
        var requests = home.Model.Requests.Count;
        var delivered = await home.BerthAsync(Cancel, "deliver", id, "--json");
        var again = await home.BerthAsync(Cancel, "deliver", id);

        Assert.Equal((0, 0), (delivered.ExitCode, again.ExitCode));
        Assert.Equal("pushed", delivered.Json.GetProperty("push").GetProperty("state").GetString());
        Assert.Equal("failed", delivered.Json.GetProperty("state").GetString());
        Assert.Equal(requests, home.Model.Requests.Count);
        Assert.Contains("The branch work is at", again.Output, StringComparison.Ordinal);
        Assert.Equal("hello\n", await BerthHome.GitInAsync(Remote(home), Cancel, "show", "work:hello.txt"));
    }

    [Fact]
    public async Task A_secret_stops_the_push_until_somebody_has_looked_at_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var server = await ServeAsync(home);
        var (_, run) = await home.RunAsync(
            "bash printf 'one\\n%s\\n' $API_PASSWORD | base64 > b && git add b && git commit -qm One && git rm -q b "
            + "&& git commit -qm Two\n---\ntext Done.",
            Cancel, "--push", "--env", "API_PASSWORD=correct-horse-battery");
        var id = run.GetProperty("id").GetString()!;
        var message = run.GetProperty("error").GetProperty("message").GetString();

        Assert.Equal("blocked", run.GetProperty("push").GetProperty("state").GetString());
        Assert.Contains("b:1 (commit ", message, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Asked, asked => asked.Path.EndsWith("receive-pack", StringComparison.Ordinal));
        Assert.Equal(1, (await home.BerthAsync(Cancel, "deliver", id)).ExitCode);
        Assert.Equal(0, (await home.BerthAsync(Cancel, "deliver", id, "--allow-secrets")).ExitCode);
    }

    [Fact]
    public async Task D36_A_host_that_is_killed_while_it_pushes_is_followed_by_one_that_does_it_again()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var server = await ServeAsync(home);
        server.Hold();
        var id = await home.DetachAsync(Write, "--push", "--branch", "work");
        await server.WhenAskedAsync();
        await home.KillHostAsync(id);
        server.LetGo();
        await home.BerthAsync(Cancel, "ps");
        var run = await home.FinalAsync(id);

        Assert.True(run.GetProperty("state").ValueEquals("succeeded"), run.GetRawText());
        Assert.Equal("work", run.GetProperty("push").GetProperty("branch").GetString());
        Assert.Equal("hello\n", await BerthHome.GitInAsync(Remote(home), Cancel, "show", "work:hello.txt"));
        Assert.Equal("main\nwork\n", await BerthHome.GitInAsync(
            Remote(home), Cancel, "branch", "--format=%(refname:short)"));
    }

    [Fact]
    public async Task A_push_that_hangs_can_be_cancelled_and_done_later()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var server = await ServeAsync(home);
        server.Hold();
        var id = await home.DetachAsync(Write, "--push", "--branch", "work");
        await server.WhenAskedAsync();
        await home.BerthAsync(Cancel, "cancel", id);
        var run = await home.FinalAsync(id);
        server.LetGo();
        var delivered = await home.BerthAsync(Cancel, "deliver", id, "--json");

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal("push_cancelled", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("hello\n", await home.GitAsync(Cancel, "show", "work:hello.txt"));
        Assert.Equal("pushed", delivered.Json.GetProperty("push").GetProperty("state").GetString());
    }

    [Fact]
    public async Task A_secret_in_the_name_of_a_file_or_a_commit_is_shown_nowhere()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync(
            "bash echo x > $API_PASSWORD.txt && git add -A && git commit -qm \"Add $API_PASSWORD\"\n---\ntext Done.",
            Cancel, "--env", "API_PASSWORD=correct-horse-battery");

        Assert.Equal("Add ***", run.GetProperty("commits")[0].GetProperty("subject").GetString());
        Assert.Equal("***.txt", run.GetProperty("filesChanged")[0].GetProperty("path").GetString());
        Assert.DoesNotContain("correct-horse-battery", (await ShowAsync(home, run)).Output, StringComparison.Ordinal);
        foreach (var file in Directory.EnumerateFiles(home.Home, "berth.db*"))
        {
            Assert.Equal(-1, (await File.ReadAllBytesAsync(file, Cancel)).AsSpan().IndexOf("correct-horse"u8));
        }
    }

    [Fact]
    public async Task What_cannot_be_pushed_is_refused_before_the_agent_starts()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var nowhere = await home.BerthAsync(Cancel, "run", "implement", "Do it.", "--push", "--json");
        await home.GitAsync(Cancel, "remote", "add", "origin", "https://me:secret@example.invalid/shop.git");
        var inUrl = await home.BerthAsync(Cancel, "run", "implement", "Do it.", "--push");
        var file = Path.Combine(home.Home, "git-credentials.json");
        await home.GitAsync(Cancel, "remote", "set-url", "origin", "https://example.invalid/shop.git");
        await File.WriteAllTextAsync(file, "{\"example.invalid\": {\"token\": \"abc-secret\"}}", Cancel);
        var exposed = await home.BerthAsync(Cancel, "run", "implement", "Do it.", "--push");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllTextAsync(file, "{\"example.invalid\": {\"tokn\": \"abc-secret\"}}", Cancel);
        var misspelt = await home.BerthAsync(Cancel, "run", "implement", "Do it.", "--push");
        File.Delete(file);
        var (_, plain) = await home.RunAsync(Write, Cancel);
        var notAsked = await home.BerthAsync(Cancel, "deliver", plain.GetProperty("id").GetString()!);
        var (_, idle) = await home.RunAsync("text Nothing to do.", Cancel, "--push");
        var nothing = await home.BerthAsync(Cancel, "deliver", idle.GetProperty("id").GetString()!);

        Assert.Equal(2, nowhere.ExitCode);
        Assert.Contains("push_remote_missing", nowhere.Output + nowhere.Error, StringComparison.Ordinal);
        AssertRefused(inUrl, "credentials_in_url");
        AssertRefused(exposed, "git_credentials_exposed");
        AssertRefused(misspelt, "git_credentials_invalid");
        AssertRefused(notAsked, "push_not_asked");
        Assert.Equal("succeeded", idle.GetProperty("state").GetString());
        AssertRefused(nothing, "nothing_to_push");
    }

    private static void AssertRefused(CommandResult command, string code)
    {
        Assert.NotEqual(0, command.ExitCode);
        Assert.Contains(code, command.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret@", command.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("abc-secret", command.Error, StringComparison.Ordinal);
    }

    private static string Remote(BerthHome home) => Path.Combine(home.Folder, "shop.git");

    // The repository's origin is a server that wants a token, which Berth is given in its file.
    private static async Task<GitHttpServer> ServeAsync(BerthHome home)
    {
        await BerthHome.GitInAsync(home.Folder, Cancel, "clone", "-q", "--bare", home.Repository, Remote(home));
        await BerthHome.GitInAsync(Remote(home), Cancel, "config", "http.receivepack", "true");
        var server = await GitHttpServer.StartAsync(home.Folder, Cancel, Token);
        await home.GitAsync(Cancel, "remote", "add", "origin", server.Url("shop.git"));
        Directory.CreateDirectory(home.Home);
        var file = Path.Combine(home.Home, "git-credentials.json");
        await File.WriteAllTextAsync(
            file,
            JsonSerializer.Serialize(new Dictionary<string, object>(StringComparer.Ordinal)
            {
                [server.Name] = new { token = Token },
            }),
            Cancel);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return server;
    }

    private static Task<CommandResult> ShowAsync(BerthHome home, JsonElement run) =>
        home.BerthAsync(Cancel, "show", run.GetProperty("id").GetString()!);

    private static void AssertNowhere(BerthHome home, string secret, string except)
    {
        var wanted = Encoding.UTF8.GetBytes(secret);
        var found = Directory.EnumerateFiles(home.Folder, "*", new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.ReparsePoint,
        }).Where(file => !file.Contains(except, StringComparison.Ordinal)
            && File.ReadAllBytes(file).AsSpan().IndexOf(wanted) >= 0);
        Assert.Empty(found);
    }
}
