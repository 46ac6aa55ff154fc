using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>The commands around a run, as people and as scripts use them.</summary>
public sealed class CommandTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Doctor_says_that_local_mode_can_run_here()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var text = await home.BerthAsync(Cancel, "doctor", "--settings");
        var json = await home.BerthAsync(Cancel, "doctor", "--json");

        Assert.True(text.ExitCode == 0, text.Output + text.Error);
        Assert.Contains("bubblewrap", text.Output, StringComparison.Ordinal);
        Assert.Contains("CLAUDE_LOCAL_WORKSPACE", text.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(BerthHome.DummyKey, text.Output, StringComparison.Ordinal);
        Assert.All(
            json.Json.GetProperty("checks").EnumerateArray(),
            check => Assert.True(check.TryGetProperty("ok", out _)));
    }

    [Fact]
    public async Task Doctor_says_what_to_type_where_the_CLI_is_missing_and_exits_with_1()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("BERTH_CLAUDE", Path.Combine(home.Folder, "no-such-claude"));
        var doctor = await home.BerthAsync(Cancel, "doctor");
        var run = await home.BerthAsync(Cancel, "run", "implement", "x", "--json");

        Assert.Equal(1, doctor.ExitCode);
        Assert.Contains("no-such-claude", doctor.Output, StringComparison.Ordinal);
        Assert.Equal(5, run.ExitCode);
        Assert.Equal("cli_not_found", run.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Demo_shows_a_run_with_its_diff_and_its_branch_and_leaves_nothing_but_what_was_asked_for()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("ANTHROPIC_API_KEY", null);
        home.Set("ANTHROPIC_BASE_URL", null);
        var kept = Path.Combine(home.Folder, "demo");
        var demo = await home.BerthAsync(Cancel, "demo", "--keep-in", kept);
        var again = await home.BerthAsync(Cancel, "demo", "--keep-in", kept);

        Assert.True(demo.ExitCode == 0, demo.Output + demo.Error);
        Assert.Contains("succeeded", demo.Output, StringComparison.Ordinal);
        Assert.Contains("+echo \"Hello, ${1:-world}!\"", demo.Output, StringComparison.Ordinal);
        Assert.Contains("berth/fix/", demo.Output, StringComparison.Ordinal);
        Assert.True(Directory.Exists(kept));
        Assert.NotEqual(0, again.ExitCode);
        Assert.Contains("demo_folder_in_use", again.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Demo_prints_one_object_where_it_is_asked_to()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var demo = await home.BerthAsync(Cancel, "demo", "--json");

        Assert.True(demo.ExitCode == 0, demo.Error);
        Assert.Equal("succeeded", demo.Json.GetProperty("state").GetString());
        Assert.Equal(2, demo.Json.GetProperty("filesChanged").GetArrayLength());
    }

    [Fact]
    public async Task Workflows_are_listed_with_what_they_shadow_and_shown_whole()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await OutcomeTests.WorkflowAsync(home, "review", "[\"Read\"]", (".env", "TOKEN=secret-of-a-workflow\n"));
        await OutcomeTests.WorkflowAsync(home, "broken", "{\"not\": \"an array\"}");
        var list = await home.BerthAsync(Cancel, "workflows");
        var json = (await home.BerthAsync(Cancel, "workflows", "--json")).Json;
        var shown = await home.BerthAsync(Cancel, "workflows", "show", "review");
        var document = (await home.BerthAsync(Cancel, "workflows", "show", "review", "--json")).Json;
        var refused = await home.BerthAsync(Cancel, "run", "broken", "x", "--json");

        Assert.Equal(0, list.ExitCode);
        foreach (var name in new[] { "architect", "implement", "test", "review", "fix", "refactor", "document", "pr" })
        {
            Assert.Contains(name, list.Output, StringComparison.Ordinal);
        }

        Assert.Contains("shadows", shown.Output, StringComparison.Ordinal);
        Assert.Contains("allowed_tools.json:1:1", list.Output + json.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("TOKEN", document.GetProperty("environmentNames")[0].GetString());
        Assert.DoesNotContain("secret-of-a-workflow", shown.Output + document.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(
            "allowed_tools.json:1:1",
            refused.Json.GetProperty("error").GetProperty("message").GetString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_can_be_listed_shown_read_and_compared()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var command = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("bash echo x > x.txt\n---\ntext All done."), "--quiet");
        var listed = (await home.BerthAsync(Cancel, "ps", "--all", "--json")).Json;
        var id = listed[0].GetProperty("id").GetString()!;
        var shown = await home.BerthAsync(Cancel, "show", id[..10]);
        var followed = await home.BerthAsync(Cancel, "logs", id, "--follow");
        var journal = await home.BerthAsync(Cancel, "logs", id, "--json");
        var diff = (await home.BerthAsync(Cancel, "diff", id, "--json")).Json;

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Contains("implement", (await home.BerthAsync(Cancel, "ps")).Output, StringComparison.Ordinal);
        Assert.Contains(id, shown.Output, StringComparison.Ordinal);
        Assert.Contains("All done.", followed.Output, StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(journal.Output.Split('\n')[0]).RootElement.ValueKind);
        Assert.Contains("+x", diff.GetProperty("diff").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_without_changes_has_no_diff_and_says_so()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("text Nothing to do.", Cancel);
        var diff = await home.BerthAsync(Cancel, "diff", run.GetProperty("id").GetString()!);

        Assert.Equal(0, diff.ExitCode);
        Assert.Empty(diff.Output);
        Assert.NotEmpty(diff.Error);
    }

    [Fact]
    public async Task Clean_up_takes_what_ended_runs_have_and_refuses_one_that_is_at_work()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, kept) = await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel, "--keep");
        var working = (await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("hang"), "--detach")).Output.Trim();
        var refused = await home.BerthAsync(Cancel, "cleanup", working);
        var young = await home.BerthAsync(Cancel, "cleanup", "--older-than", "48h");
        Assert.True(Directory.Exists(kept.GetProperty("workspacePath").GetString()));

        var all = await home.BerthAsync(Cancel, "cleanup", "--all");
        await home.BerthAsync(Cancel, "cancel", working, "--force");

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("run_not_final", refused.Error, StringComparison.Ordinal);
        Assert.Equal(0, young.ExitCode);
        Assert.True(all.ExitCode == 0, all.Error);
        Assert.False(Directory.Exists(kept.GetProperty("workspacePath").GetString()));
    }
}
