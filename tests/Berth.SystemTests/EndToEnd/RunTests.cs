using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// The main job, typed as a user types it: the real CLI in the real sandbox, the scripted model, a real repository.
/// </summary>
public sealed class RunTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_file_that_the_agent_wrote_is_on_the_branch_and_nothing_else_of_the_repository_changed()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await File.WriteAllTextAsync(Path.Combine(home.Repository, "mine.txt"), "not committed", Cancel);
        var before = await home.GitAsync(Cancel, "status", "--porcelain", "--branch");
        var (command, run) = await home.RunAsync("bash echo hello > hello.txt\n---\ntext I wrote hello.txt.", Cancel);

        Assert.Equal(0, command.ExitCode);
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("I wrote hello.txt.", run.GetProperty("result").GetString());
        var branch = run.GetProperty("branch").GetString()!;
        Assert.StartsWith("berth/implement/", branch, StringComparison.Ordinal);
        Assert.Equal("hello\n", await home.GitAsync(Cancel, "show", $"{branch}:hello.txt"));
        Assert.Equal(before, await home.GitAsync(Cancel, "status", "--porcelain", "--branch"));
        Assert.False(File.Exists(Path.Combine(home.Repository, "hello.txt")));
        Assert.Contains("uncommitted", command.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_object_of_a_run_has_every_promised_field()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync(
            "usage in=100 out=10\nbash echo x > x.txt\n---\nusage in=200 out=20\ntext Done.",
            Cancel);

        string[] promised =
        [
            "id", "state", "workflow", "mode", "modeReason", "sessionId", "result", "isError", "error", "exitCode",
            "signal", "turns",
            "maxTurns", "costUsd", "tokens", "permissionDenials", "model", "cliVersion", "repository", "baseCommit",
            "headCommit", "branch",
            "commits", "filesChanged", "createdAt", "startedAt", "finishedAt", "durationMs", "phasesMs",
            "workspacePath", "cleanup",
        ];
        Assert.All(promised, name => Assert.True(run.TryGetProperty(name, out _), name));
        Assert.Equal(2, run.GetProperty("turns").GetInt32());
        Assert.Equal(300, run.GetProperty("tokens").GetProperty("input").GetInt64());
        Assert.Equal(30, run.GetProperty("tokens").GetProperty("output").GetInt64());
        Assert.True(run.GetProperty("costUsd").GetDecimal() > 0);
        Assert.Equal("x.txt", run.GetProperty("filesChanged")[0].GetProperty("path").GetString());
        Assert.Equal("added", run.GetProperty("filesChanged")[0].GetProperty("status").GetString());
        Assert.Equal("done", run.GetProperty("cleanup").GetProperty("state").GetString());
        foreach (var phase in new[] { "prepare", "start", "run", "capture", "deliver", "cleanup" })
        {
            Assert.Equal(JsonValueKind.Number, run.GetProperty("phasesMs").GetProperty(phase).ValueKind);
        }

        var shown = (await home.BerthAsync(Cancel, "show", run.GetProperty("id").GetString()!, "--json")).Json;
        Assert.Equal(run.GetRawText(), shown.GetRawText());
    }

    [Fact]
    public async Task What_the_agent_left_is_committed_with_the_workflow_the_first_line_and_a_trailer()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var command = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("bash echo x > x.txt\n---\ntext Done.", "Add the letter x"),
            "--json", "--branch", "letter");
        var message = await home.GitAsync(Cancel, "log", "-1", "--format=%B", "letter");

        Assert.Equal(0, command.ExitCode);
        Assert.StartsWith("implement: Add the letter x\n", message, StringComparison.Ordinal);
        Assert.Contains(
            $"\nBerth-Run: {command.Json.GetProperty("id").GetString()}",
            message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_agent_committed_stays_as_it_is()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync(
            "bash echo 1 > a && git add a && git commit -qm One\n---\n"
            + "bash echo 2 > b && git add b && git commit -qm Two\n---\ntext Done.",
            Cancel, "--branch", "two");

        Assert.Equal(
            ["Two", "One"],
            run.GetProperty("commits").EnumerateArray().Select(commit => commit.GetProperty("subject").GetString()));
        Assert.Equal("Two\nOne\nFirst\n", await home.GitAsync(Cancel, "log", "--format=%s", "two"));
    }

    [Fact]
    public async Task A_run_that_changed_nothing_succeeds_without_a_branch_and_says_so()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var command = await home.BerthAsync(Cancel, "run", "review", BerthHome.Prompt("text All is well."));
        var branches = await home.GitAsync(Cancel, "branch", "--list", "--format=%(refname:short)");

        Assert.Equal(0, command.ExitCode);
        Assert.Equal("main\n", branches);
        Assert.Contains("changed nothing", command.Output + command.Error, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task An_empty_repository_gets_its_first_commit_on_the_branch()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var empty = Path.Combine(home.Folder, "empty");
        Directory.CreateDirectory(empty);
        await BerthHome.GitInAsync(empty, Cancel, "init", "-q", "-b", "main");
        var (command, run) = await home.RunAsync(
            "bash echo 1 > first\n---\ntext Done.",
            Cancel,
            "--repo",
            empty,
            "--branch",
            "start");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal(JsonValueKind.Null, run.GetProperty("baseCommit").ValueKind);
        Assert.Equal("1\n", await BerthHome.GitInAsync(empty, Cancel, "show", "start:first"));
    }

    [Fact]
    public async Task Names_that_are_not_ascii_arrive_as_they_are()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "bash mkdir -p 'Müller & Söhne' && echo ü > 'Müller & Söhne/日本 語.txt'\n---\ntext Grüße 🙂", Cancel,
            "--branch", "zweig-ä");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("Grüße 🙂", run.GetProperty("result").GetString());
        Assert.Equal("Müller & Söhne/日本 語.txt", run.GetProperty("filesChanged")[0].GetProperty("path").GetString());
        Assert.Equal("ü\n", await home.GitAsync(Cancel, "show", "zweig-ä:Müller & Söhne/日本 語.txt"));
    }

    [Fact]
    public async Task The_branch_of_a_url_is_in_the_mirror_where_diff_and_show_work_on_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var url = new Uri(home.Repository).AbsoluteUri;
        var (command, run) = await home.RunAsync("bash echo hello > hello.txt\n---\ntext Done.", Cancel, "--repo", url);
        var id = run.GetProperty("id").GetString()!;
        var diff = await home.BerthAsync(Cancel, "diff", id);
        var stat = await home.BerthAsync(Cancel, "diff", id, "--stat");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("main\n", await home.GitAsync(Cancel, "branch", "--list", "--format=%(refname:short)"));
        Assert.Contains("+hello\n", diff.Output, StringComparison.Ordinal);
        Assert.Contains("hello.txt", stat.Output, StringComparison.Ordinal);
        Assert.Contains(
            "berth/implement/",
            (await home.BerthAsync(Cancel, "show", id)).Output,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-x is how this begins")]
    [InlineData("--help me")]
    [InlineData("/cost is no command here")]
    [InlineData("/compact")]
    [InlineData("@/etc/passwd")]
    [InlineData("$(touch /tmp/owned) `id` \"quoted\" 'too' \\ end")]
    public async Task A_prompt_of_any_beginning_arrives_as_it_is(string words)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var prompt = BerthHome.Prompt("text Understood.", words);
        var command = await home.PipeAsync(prompt, Cancel, "run", "review", "-", "--json");
        var body = Assert.Single(home.Model.Requests, request => request.Turn is not null).Text();

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("Understood.", command.Json.GetProperty("result").GetString());
        Assert.Contains(JsonSerializer.Serialize(words)[1..^1], Normalised(body), StringComparison.Ordinal);
        Assert.DoesNotContain("root:x:0", body, StringComparison.Ordinal);
        Assert.DoesNotContain("agent:x:", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_of_nine_megabytes_arrives_whole_and_a_larger_one_is_refused()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var large = new string('x', (9 * 1024 * 1024) - 100);
        // The CLI refuses by itself what a model could not hold; these tell it of a model that can.
        var command = await home.PipeAsync(
            BerthHome.Prompt("text Read.", large),
            Cancel,
            "run", "review", "--json", "--env", "CLAUDE_CODE_MAX_CONTEXT_TOKENS=100000000",
            "--env", "DISABLE_COMPACT=1", "--env", "DISABLE_AUTO_COMPACT=1");
        var refused = await home.PipeAsync(large + large, Cancel, "run", "review", "--json");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Contains(home.Model.Requests, request => request.Text().Contains(large, StringComparison.Ordinal));
        Assert.Equal(2, refused.ExitCode);
        Assert.Equal("prompt_too_large", refused.Json.GetProperty("error").GetProperty("code").GetString());
    }

    private static string Normalised(string body) => JsonSerializer.Serialize(JsonDocument.Parse(body).RootElement);
}
