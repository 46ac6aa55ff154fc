using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>The program as users have it. What is published is native, and the other tests run what is not: these
/// walk through all commands, so that nothing is missing which is only looked for when it is used.</summary>
public sealed class PublishedProgramTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_run_and_all_that_can_be_asked_about_it_work()
    {
        await using var home = await BerthHome.CreateAsync(Cancel, SystemTestEnvironment.PublishedBerth);
        var (command, run) = await home.RunAsync(
            "bash echo done > done.txt\n---\ntext It says {{last}}", Cancel, "--env", "TOKEN=canary-of-the-run");
        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        var id = run.GetProperty("id").GetString()!;

        Assert.Equal(id, Assert.Single((await SaysAsync(home, "ps", "--all", "--json")).Json.EnumerateArray())
            .GetProperty("id").GetString());
        Assert.Equal(id, (await SaysAsync(home, "show", id, "--json")).Json.GetProperty("id").GetString());
        Assert.Contains("done.txt", (await SaysAsync(home, "show", id)).Output, StringComparison.Ordinal);
        Assert.Contains("It says", (await SaysAsync(home, "logs", id)).Output, StringComparison.Ordinal);
        Assert.Contains("\"subtype\"", (await SaysAsync(home, "logs", id, "--raw")).Output, StringComparison.Ordinal);
        Assert.Contains("+done", (await SaysAsync(home, "diff", id)).Output, StringComparison.Ordinal);
        await SaysAsync(home, "cleanup", id, "--dry-run");
        await SaysAsync(home, "cleanup", "--all");
    }

    [Fact]
    public async Task What_is_said_of_the_machine_and_of_workflows_is_said()
    {
        await using var home = await BerthHome.CreateAsync(Cancel, SystemTestEnvironment.PublishedBerth);

        Assert.Contains("bubblewrap", (await SaysAsync(home, "doctor")).Output, StringComparison.Ordinal);
        Assert.NotEqual(JsonValueKind.Undefined, (await SaysAsync(home, "doctor", "--json")).Json.ValueKind);
        Assert.Contains("architect", (await SaysAsync(home, "workflows")).Output, StringComparison.Ordinal);
        Assert.NotEqual(JsonValueKind.Undefined, (await SaysAsync(home, "workflows", "--json")).Json.ValueKind);
        Assert.Contains("--max-turns", (await SaysAsync(home, "run", "--help")).Output, StringComparison.Ordinal);
        var refused = await home.BerthAsync(Cancel, "show", "nothing", "--json");
        Assert.Contains("run_not_found", refused.Output + refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_roll_out_is_reckoned_by_a_library_that_looks_for_its_parts_by_name()
    {
        await using var home = await BerthHome.CreateAsync(Cancel, SystemTestEnvironment.PublishedBerth);
        home.Set("CLAUDE_CODE_MODE", null);
        home.Set("BERTH_LOCAL_MODE", "100%, review");
        var (command, run) = await home.RunAsync("text Nothing to do.", Cancel);

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("local", run.GetProperty("mode").GetString());
        Assert.Contains("100 %", run.GetProperty("modeReason").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_in_a_container_works()
    {
        await using var home = await BerthHome.CreateAsync(Cancel, SystemTestEnvironment.PublishedBerth);
        home.Set("DOCKER_HOST", SystemTestEnvironment.DockerHost);
        home.Set("BERTH_IMAGE", SystemTestEnvironment.RunImage);
        var (command, run) = await home.RunAsync(
            "bash echo done > done.txt\n---\ntext Done.", Cancel, "--mode", "docker", "--branch", "b");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("docker", run.GetProperty("mode").GetString());
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
    }

    private static async Task<CommandResult> SaysAsync(BerthHome home, params IReadOnlyList<string> arguments)
    {
        var said = await home.BerthAsync(Cancel, arguments);
        Assert.True(said.ExitCode == 0, $"{string.Join(' ', arguments)}: {said.Error}{said.Output}");
        return said;
    }
}
