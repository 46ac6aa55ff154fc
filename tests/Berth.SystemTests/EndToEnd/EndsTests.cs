using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Ends, beginnings and refusals as a user meets them: the real program, the real CLI.</summary>
public sealed class EndsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F77_A_summary_on_the_way_is_no_turn_and_the_limit_of_turns_does_not_meet_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "bash echo a\n---\nbash echo b\n---\nusage in=970000\nbash echo c\n---\ntext done", Cancel,
            "--max-turns", "4");

        Assert.True(command.ExitCode == 0, command.Output + command.Error);
        Assert.Equal(5, home.Model.Requests.Count(request => request.Status == 200));
        Assert.Equal(4, run.GetProperty("turns").GetInt32());
        Assert.Equal(4, run.GetProperty("gateway").GetProperty("turns").GetInt32());
    }

    [Fact]
    public async Task F77_A_subagent_of_the_last_turn_ends_its_work_and_an_error_is_no_turn()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        const string Subagent = "tool Task {\"description\":\"d\",\"subagent_type\":\"general-purpose\",\"prompt\":"
            + "\"```script\\nbash echo sub > sub.txt\\n---\\ntext sub done\\n```\"}\n---\ntext never";
        var workflow = await WorkflowAsync(home, "\"Task\", \"Bash\"");
        var command = await home.BerthAsync(
            Cancel, "run", workflow, BerthHome.Prompt(Subagent), "--json", "--max-turns", "1");
        var run = command.Json;

        Assert.Equal("max_turns_reached", CodeOf(run));
        Assert.Equal(1, run.GetProperty("turns").GetInt32());
        Assert.Equal(1, run.GetProperty("gateway").GetProperty("turns").GetInt32());
        Assert.Contains("sub.txt", command.Output, StringComparison.Ordinal);

        var (_, failed) = await home.RunAsync("error 400 should-retry=false no", Cancel);
        Assert.Equal("model_rejected_request", CodeOf(failed));
        Assert.Equal(0, failed.GetProperty("turns").GetInt32());
    }

    [Fact]
    public async Task F80_A_paused_turn_fails_by_its_name_and_keeps_its_work()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "bash echo half > half.txt\n---\ntext so far\nstop pause_turn", Cancel);

        Assert.Equal(1, command.ExitCode);
        Assert.Equal("model_paused", CodeOf(run));
        Assert.Contains("half.txt", command.Output, StringComparison.Ordinal);
        Assert.NotNull(run.GetProperty("branch").GetString());
    }

    [Theory]
    [InlineData("dangling")]
    [InlineData("tags")]
    [InlineData("notes")]
    [InlineData("fetched")]
    [InlineData("deleted")]
    [InlineData("orphan")]
    public async Task F79_A_history_without_a_branch_is_no_empty_repository(string kind)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var place = await WithoutBranchAsync(home, kind);
        var refused = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json", "--repo", place);

        Assert.Equal(2, refused.ExitCode);
        Assert.Equal("no_default_branch", refused.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Empty(home.Model.Requests);
    }

    [Fact]
    public async Task F79_The_same_for_a_url()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        foreach (var delete in new[] { false, true })
        {
            var bare = Path.Combine(home.Folder, $"bare-{delete}.git");
            await home.GitAsync(Cancel, "clone", "-q", "--bare", home.Repository, bare);
            await BerthHome.GitInAsync(bare, Cancel, "notes", "add", "-m", "note", "refs/heads/main");
            await BerthHome.GitInAsync(bare, Cancel, "symbolic-ref", "HEAD", "refs/heads/gone");
            if (delete)
            {
                await BerthHome.GitInAsync(bare, Cancel, "update-ref", "-d", "refs/heads/main");
            }

            var refused = await home.BerthAsync(
                Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json", "--repo", $"file://{bare}");

            Assert.Equal(2, refused.ExitCode);
            Assert.Equal("no_default_branch", CodeOf(refused.Json));
        }

        Assert.Empty(home.Model.Requests);
    }

    [Fact]
    public async Task F81_A_prompt_in_which_nothing_can_be_seen_is_refused_by_every_way_in()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        foreach (var text in new[] { "\ufeff", "\u200b \n" })
        {
            var given = await home.BerthAsync(Cancel, "run", "implement", text, "--json");
            var piped = await home.PipeAsync(text, Cancel, "run", "implement", "--json");

            Assert.All([given, piped], refused =>
            {
                Assert.Equal(2, refused.ExitCode);
                Assert.Equal("prompt_empty", CodeOf(refused.Json));
            });
        }
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task F82_A_run_begins_where_the_user_is_and_reads_the_instructions_of_the_folders(string mode)
    {
        await using var home = await MonorepoAsync(mode);
        home.Stands = "services/shop";
        var (command, run) = await home.RunAsync("bash pwd > where.txt; cat where.txt\n---\ntext {{last}}", Cancel);

        Assert.True(command.ExitCode == 0, command.Output + command.Error);
        Assert.Equal("services/shop", run.GetProperty("directory").GetString());
        Assert.EndsWith("/services/shop", run.GetProperty("result").GetString()!.Trim(), StringComparison.Ordinal);
        Assert.Equal(
            "services/shop/where.txt", run.GetProperty("filesChanged")[0].GetProperty("path").GetString());
        var first = home.Model.Requests[0].Text();
        foreach (var mark in new[] { "mark-of-the-top", "mark-of-the-shop", "mark-of-a-rule", "mark-of-the-depth" })
        {
            Assert.Contains(mark, first, StringComparison.Ordinal);
        }

        var log = await home.BerthAsync(Cancel, "logs", run.GetProperty("id").GetString()!, "--json");
        Assert.Contains("\"directory\":\"services/shop\"", log.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F82_A_folder_is_named_from_the_top_and_has_to_be_in_the_commit()
    {
        await using var home = await MonorepoAsync("local");
        home.Stands = "services/shop";
        var top = await home.RunAsync("bash pwd\n---\ntext {{last}}", Cancel, "--directory", ".");
        Assert.Equal(".", top.Run.GetProperty("directory").GetString());
        Assert.EndsWith("/workspace", top.Run.GetProperty("result").GetString()!.Trim(), StringComparison.Ordinal);

        Directory.CreateDirectory(Path.Combine(home.Repository, "untracked"));
        foreach (var (folder, code) in new[]
        {
            ("services/none", "directory_not_found"), ("services/link", "directory_not_found"),
            ("README.md", "directory_not_found"), ("untracked", "directory_not_found"),
            ("..", "directory_invalid"), ("/etc", "directory_invalid"), (".git", "directory_invalid"),
        })
        {
            var refused = await home.BerthAsync(
                Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json", "--directory", folder);
            Assert.Equal((2, code), (refused.ExitCode, CodeOf(refused.Json)));
        }

        home.Stands = "untracked";
        var stands = await home.BerthAsync(Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json");
        Assert.Equal((2, "directory_not_found"), (stands.ExitCode, CodeOf(stands.Json)));
        home.Stands = "";
        var url = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json", "--repo",
            $"file://{home.Repository}", "--directory", "services/none");
        Assert.Equal((2, "directory_not_found"), (url.ExitCode, CodeOf(url.Json)));
    }

    [Fact]
    public async Task F84_The_operators_headers_model_and_v1_count_and_the_agent_has_none_of_them()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("ANTHROPIC_BASE_URL", home.Model.Uri!.AbsoluteUri.TrimEnd('/') + "/v1");
        home.Set("ANTHROPIC_CUSTOM_HEADERS", "x-app: berth-test\nx-api-key: sk-of-the-gateway-0123456789");
        home.Set("ANTHROPIC_MODEL", "claude-sonnet-5");
        home.Set("ANTHROPIC_LOG", "debug");
        var (command, run) = await home.RunAsync("bash env; echo\n---\ntext {{last}}", Cancel);

        Assert.True(command.ExitCode == 0, command.Output + command.Error);
        Assert.Equal("claude-sonnet-5", home.Model.Requests[0].Model);
        Assert.Equal("sk-of-the-gateway-0123456789", home.Model.Requests[0].Headers["x-api-key"]);
        Assert.DoesNotContain("of-the-gateway", command.Output, StringComparison.Ordinal);
        var log = await home.BerthAsync(Cancel, "logs", run.GetProperty("id").GetString()!, "--json");
        Assert.Contains("ANTHROPIC_LOG", log.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("of-the-gateway", log.Output, StringComparison.Ordinal);

        home.Set("CLAUDE_CODE_USE_BEDROCK", "1");
        var refused = await home.BerthAsync(Cancel, "run", "implement", BerthHome.Prompt("text no"), "--json");
        Assert.Equal((2, "provider_not_supported"), (refused.ExitCode, CodeOf(refused.Json)));
    }

    [Fact]
    public async Task F85_A_remote_that_the_users_configuration_rewrites_is_pushed_to_or_refused_before_the_run()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var bare = Path.Combine(home.Folder, "remote.git");
        await home.GitAsync(Cancel, "clone", "-q", "--bare", home.Repository, bare);
        await home.GitAsync(Cancel, "remote", "add", "origin", "short:remote.git");
        var config = Path.Combine(home.Folder, "user", ".gitconfig");
        await File.WriteAllTextAsync(config, $"[url \"{home.Folder}/\"]\n\tinsteadOf = short:\n", Cancel);
        var (command, run) = await home.RunAsync(
            "bash echo x > x.txt\n---\ntext done", Cancel, "--push", "--branch", "it's");

        Assert.True(command.ExitCode == 0, command.Output + command.Error);
        Assert.Contains("it's", await BerthHome.GitInAsync(bare, Cancel, "branch"), StringComparison.Ordinal);
        var shown = await home.BerthAsync(Cancel, "show", run.GetProperty("id").GetString()!);
        Assert.Contains("merge 'it'\\''s'", shown.Output, StringComparison.Ordinal);

        var asked = home.Model.Requests.Count;
        await File.WriteAllTextAsync(config, "[url \"ext::sh -c canary \"]\n\tpushInsteadOf = short:\n", Cancel);
        var refused = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("text never"), "--json", "--push");
        Assert.Equal((2, "push_remote_refused"), (refused.ExitCode, CodeOf(refused.Json)));
        Assert.Equal(asked, home.Model.Requests.Count);
    }

    [Fact]
    public async Task F85_Without_PATH_the_usual_folders_are_searched()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("PATH", null);
        var (command, _) = await home.RunAsync("text done", Cancel);

        Assert.True(command.ExitCode == 0, command.Output + command.Error);
    }

    private static async Task<BerthHome> MonorepoAsync(string mode)
    {
        var home = mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MODE", mode);
        foreach (var (file, text) in new[]
        {
            ("CLAUDE.md", "mark-of-the-top"), ("services/shop/.claude/CLAUDE.md", "mark-of-the-shop"),
            ("services/shop/.claude/rules/a.md", "mark-of-a-rule"), ("lib/deep/er/CLAUDE.md", "mark-of-the-depth"),
        })
        {
            var path = Path.Combine(home.Repository, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, text + "\n", Cancel);
        }

        Directory.CreateSymbolicLink(Path.Combine(home.Repository, "services", "link"), "shop");
        await home.CommitAsync("Folders", Cancel);
        return home;
    }

    private static async Task<string> WithoutBranchAsync(BerthHome home, string kind)
    {
        var place = Path.Combine(home.Folder, kind);
        if (kind is "dangling")
        {
            var bare = Path.Combine(home.Folder, "remote.git");
            await home.GitAsync(Cancel, "clone", "-q", "--bare", home.Repository, bare);
            await BerthHome.GitInAsync(bare, Cancel, "symbolic-ref", "HEAD", "refs/heads/gone");
            await home.GitAsync(Cancel, "clone", "-q", bare, place);
            return place;
        }

        Directory.CreateDirectory(place);
        await BerthHome.GitInAsync(place, Cancel, "init", "-q", "-b", "main");
        if (kind is "fetched")
        {
            await BerthHome.GitInAsync(place, Cancel, "fetch", "-q", home.Repository, "main");
            return place;
        }

        await BerthHome.GitInAsync(place, Cancel, "commit", "-q", "--allow-empty", "-m", "First");
        switch (kind)
        {
            case "tags":
                await BerthHome.GitInAsync(place, Cancel, "tag", "v1");
                break;
            case "notes":
                await BerthHome.GitInAsync(place, Cancel, "notes", "add", "-m", "note");
                break;
            case "orphan":
                await BerthHome.GitInAsync(place, Cancel, "checkout", "-q", "--orphan", "other");
                return place;
        }

        await BerthHome.GitInAsync(place, Cancel, "update-ref", "-d", "refs/heads/main");
        if (kind is not "deleted")
        {
            Directory.Delete(Path.Combine(place, ".git", "logs"), recursive: true);
        }

        return place;
    }

    private static async Task<string> WorkflowAsync(BerthHome home, string tools)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home.Home, "workflows", "agents")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "prompt.md"), "Agents\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "allowed_tools.json"), $"[{tools}]", Cancel);
        return "agents";
    }

    private static string? CodeOf(JsonElement said) => said.GetProperty("error").GetProperty("code").GetString();
}
