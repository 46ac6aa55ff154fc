using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>The settings do what their names say, and clean-up leaves what it promises.</summary>
public sealed class SettingsEndToEndTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CLAUDE_LOCAL_WORKSPACE_says_where_run_directories_go()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var elsewhere = Path.Combine(home.Folder, "elsewhere");
        home.Set("CLAUDE_LOCAL_WORKSPACE", elsewhere);
        var (command, run) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel);
        home.Set("CLAUDE_LOCAL_WORKSPACE", null);
        var id = run.GetProperty("id").GetString()!;

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.True(File.Exists(Path.Combine(elsewhere, id, "events.ndjson")));
        Assert.Contains("Done.", (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CLAUDE_LOCAL_CLEANUP_false_keeps_the_workspace_until_it_is_cleaned_up()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_LOCAL_CLEANUP", "false");
        var (_, run) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel);
        var workspace = run.GetProperty("workspacePath").GetString()!;
        var id = run.GetProperty("id").GetString()!;
        Assert.True(File.Exists(Path.Combine(workspace, "x")));

        var dry = await home.BerthAsync(Cancel, "cleanup", id, "--dry-run", "--json");
        Assert.True(File.Exists(Path.Combine(workspace, "x")));
        var done = await home.BerthAsync(Cancel, "cleanup", id, "--json");
        Assert.False(Directory.Exists(workspace));
        Assert.Equal(dry.Json.GetProperty("bytes").GetInt64(), done.Json.GetProperty("bytes").GetInt64());
        Assert.Contains("Done.", (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task By_default_only_the_transcript_and_the_record_are_left()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("bash mkdir -p a/b; chmod 500 a; echo x > x\n---\ntext Done.", Cancel);
        AssertNothingLeft(home, run);
    }

    [Fact]
    public async Task What_git_cannot_take_is_left_until_it_is_cleaned_up_by_hand()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync(
            "bash mkdir -p a/b; chmod 000 a; mkfifo pipe; echo x > x\n---\ntext Done.",
            Cancel);
        var id = run.GetProperty("id").GetString()!;

        Assert.Contains(
            run.GetProperty("warnings").EnumerateArray(),
            warning => warning.GetString()!.Contains("pipe", StringComparison.Ordinal));
        Assert.True(Directory.Exists(run.GetProperty("workspacePath").GetString()));
        await home.BerthAsync(Cancel, "cleanup", id);
        AssertNothingLeft(home, (await home.BerthAsync(Cancel, "show", id, "--json")).Json);
    }

    private static void AssertNothingLeft(BerthHome home, JsonElement run)
    {
        var folder = Path.Combine(home.Home, "runs", run.GetProperty("id").GetString()!);
        var left = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Order(
            StringComparer.Ordinal).ToList();

        Assert.Equal("done", run.GetProperty("cleanup").GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("workspacePath").ValueKind);
        Assert.Contains("events.ndjson", left);
        Assert.DoesNotContain("workspace", left);
        Assert.DoesNotContain("home", left);
        Assert.DoesNotContain("secrets.json", left);
    }

    [Fact]
    public async Task CLAUDE_LOCAL_GIT_CACHE_false_works_without_a_mirror()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_LOCAL_GIT_CACHE", "false");
        var (command, run) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel, "--branch", "b");
        var mirrors = Path.Combine(home.Home, "mirrors");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("x\n", await home.GitAsync(Cancel, "show", "b:x"));
        Assert.True(!Directory.Exists(mirrors) || !Directory.EnumerateFileSystemEntries(mirrors).Any());

        // The user's repository has the branch, so nothing is left of the clone, and the diff is taken from there.
        var id = run.GetProperty("id").GetString()!;
        Assert.Empty(Directory.EnumerateFileSystemEntries(home.RunFile(id, "."), "repository.git*"));
        Assert.Contains("+x", (await home.BerthAsync(Cancel, "diff", id)).Output, StringComparison.Ordinal);
        await home.GitAsync(Cancel, "branch", "-D", "b");
        await home.GitAsync(Cancel, "-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now");
        var gone = await home.BerthAsync(Cancel, "diff", id);
        Assert.Equal(1, gone.ExitCode);
        Assert.Contains("changes_gone", gone.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CLAUDE_LOCAL_GIT_CACHE_false_keeps_the_branch_of_a_url_until_it_is_cleaned_up()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_LOCAL_GIT_CACHE", "false");
        var url = new Uri(home.Repository).AbsoluteUri;
        var (_, run) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel, "--repo", url, "--branch", "b");
        var id = run.GetProperty("id").GetString()!;
        var own = home.RunFile(id, "repository.git");
        Assert.Equal("x\n", await BerthHome.GitInAsync(own, Cancel, "show", "b:x"));
        Assert.Contains("+x", (await home.BerthAsync(Cancel, "diff", id)).Output, StringComparison.Ordinal);

        var dry = await home.BerthAsync(Cancel, "cleanup", "--all", "--dry-run");
        Assert.True(Directory.Exists(own));
        var done = await home.BerthAsync(Cancel, "cleanup", id);
        var again = await home.BerthAsync(Cancel, "cleanup", id);

        Assert.Contains(own, dry.Output, StringComparison.Ordinal);
        Assert.True(done.ExitCode == 0, done.Error);
        Assert.False(Directory.Exists(own));
        Assert.Contains("nothing to remove", again.Output, StringComparison.Ordinal);
        Assert.Contains("changes_gone", (await home.BerthAsync(Cancel, "diff", id)).Error, StringComparison.Ordinal);
        Assert.Contains("Done.", (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clean_up_takes_the_pins_of_a_run_out_of_the_mirror_and_leaves_its_changes_readable()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel, "--branch", "b");
        var id = run.GetProperty("id").GetString()!;
        string[] pins = ["for-each-ref", "refs/berth/runs"];
        Assert.Contains(id, await BerthHome.GitInAsync(home.Mirror(), Cancel, pins), StringComparison.Ordinal);

        var done = await home.BerthAsync(Cancel, "cleanup", "--all");

        Assert.True(done.ExitCode == 0, done.Error);
        Assert.Empty(await BerthHome.GitInAsync(home.Mirror(), Cancel, pins));
        Assert.Contains("+x", (await home.BerthAsync(Cancel, "diff", id)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CLAUDE_CODE_TIMEOUT_counts_in_seconds()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_TIMEOUT", "3");
        var (command, _) = await home.RunAsync("hang", Cancel);

        Assert.Equal(4, command.ExitCode);
    }

    [Theory]
    [InlineData("CLAUDE_CODE_MODE", "cloud")]
    [InlineData("CLAUDE_CODE_TIMEOUT", "soon")]
    [InlineData("CLAUDE_LOCAL_CLEANUP", "perhaps")]
    [InlineData("CLAUDE_CODE_MAX_CONCURRENT", "0")]
    [InlineData("BERTH_NOSUCH", "1")]
    public async Task A_bad_or_unknown_setting_is_an_error_that_names_it(string name, string value)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set(name, value);
        var refused = await home.BerthAsync(Cancel, "ps");

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(name, refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repository_named_in_the_settings_is_trusted_in_full()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        Directory.CreateDirectory(home.Home);
        await File.WriteAllTextAsync(
            Path.Combine(home.Home, "berth.json"), $$"""{"trustedRepositories": ["{{home.Repository}}"]}""", Cancel);
        var (command, run) = await home.RunAsync("text Hi.", Cancel);

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("full", run.GetProperty("trust").GetString());
    }
}
