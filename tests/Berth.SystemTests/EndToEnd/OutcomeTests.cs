using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>The truth about how runs end.</summary>
public sealed class OutcomeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_tool_that_the_workflow_does_not_allow_does_not_run_and_shows_up()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await WorkflowAsync(home, "reader", "[\"Read\"]");
        var command = await home.BerthAsync(
            Cancel, "run", "reader", BerthHome.Prompt("bash echo owned > owned.txt\n---\ntext I could not."), "--json");
        var run = command.Json;

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal(JsonValueKind.Null, run.GetProperty("branch").ValueKind);
        Assert.Equal("Bash", run.GetProperty("permissionDenials")[0].GetProperty("tool").GetString());
    }

    [Fact]
    public async Task The_limit_of_turns_is_a_failure_of_its_own_with_the_work_kept()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "repeat forever\nbash echo {{turn}} >> turns.txt",
            Cancel,
            "--max-turns",
            "2",
            "--branch",
            "b");

        Assert.Equal(3, command.ExitCode);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("max_turns_reached", run.GetProperty("error").GetProperty("code").GetString());
        Assert.StartsWith("1", await home.GitAsync(Cancel, "show", "b:turns.txt"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_budget_is_a_limit_too()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "repeat forever\nusage in=100000 out=50000\nbash echo {{turn}} >> turns.txt", Cancel, "--max-budget-usd",
            "0.01");

        Assert.Equal(3, command.ExitCode);
        Assert.Equal("budget_reached", run.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task An_error_of_the_models_api_is_a_failure_that_names_it_and_is_not_retried_for_ever()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync("error 401 type=authentication_error The key is wrong.", Cancel);

        Assert.Equal(1, command.ExitCode);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("model_authentication_failed", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("401", run.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.True(home.Model.Requests.Count <= 3, $"{home.Model.Requests.Count} requests");
    }

    [Fact]
    public async Task An_overload_that_passes_costs_nothing_but_time()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, _) = await home.RunAsync("error 529 times=2 Overloaded\ntext Here I am.", Cancel);

        Assert.Equal(0, command.ExitCode);
    }

    [Fact]
    public async Task A_run_that_takes_too_long_is_stopped_and_its_partial_work_is_on_the_branch()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            "bash echo half > half.txt\n---\nhang",
            Cancel,
            "--timeout",
            "40s",
            "--branch",
            "b");

        Assert.Equal(4, command.ExitCode);
        Assert.Equal("timed_out", run.GetProperty("state").GetString());
        Assert.Equal("timed_out", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
    }

    [Theory]
    [InlineData("run", "nosuch", "hello", "workflow_not_found", 2)]
    [InlineData("run", "implement", "", "prompt_empty", 2)]
    [InlineData("run", "implement", "x", "sandbox_needs_local", 2, "--mode", "docker", "--sandbox",
        "none")]
    [InlineData("run", "implement", "x", "image_needs_docker", 2, "--image", "debian:12")]
    [InlineData("run", "implement", "x", "ref_not_found", 2, "--ref", "nosuch")]
    [InlineData("run", "implement", "x", "branch_taken", 2, "--branch", "main")]
    [InlineData("run", "implement", "x", "environment_reserved", 2, "--env", "ANTHROPIC_API_KEY=mine")]
    [InlineData("show", "zzzz", null, "run_not_found", 2)]
    public async Task A_request_that_cannot_be_is_refused_with_a_code_and_creates_nothing(
        string command, string first, string? second, string code, int exit, params string[] options)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        IReadOnlyList<string> words = second is null ? [command, first] : [command, first, second];
        var refused = await home.BerthAsync(Cancel, [.. words, "--json", .. options]);
        var runs = Path.Combine(home.Home, "runs");

        Assert.Equal(code, refused.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(exit, refused.ExitCode);
        Assert.NotEqual(string.Empty, refused.Json.GetProperty("error").GetProperty("hint").GetString());
        Assert.True(!Directory.Exists(runs) || !Directory.EnumerateFileSystemEntries(runs).Any());
    }

    [Fact]
    public async Task Without_a_credential_a_run_is_refused_with_what_to_set()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("ANTHROPIC_API_KEY", null);
        home.Set("ANTHROPIC_BASE_URL", null);
        var refused = await home.BerthAsync(Cancel, "run", "implement", "x");

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("ANTHROPIC_API_KEY", refused.Error, StringComparison.Ordinal);
        Assert.Empty(refused.Output);
    }

    internal static async Task WorkflowAsync(
        BerthHome home,
        string name,
        string tools,
        params (string File, string Text)[] more)
    {
        var folder = Path.Combine(home.Home, "workflows", name);
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "prompt.md"), "# A workflow of a test\n", Cancel);
        await File.WriteAllTextAsync(Path.Combine(folder, "allowed_tools.json"), tools, Cancel);
        foreach (var (file, text) in more)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, file), text, Cancel);
        }
    }
}
