using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Cancels, kills and restarts: nothing is lost, nothing is left, nothing is said twice.</summary>
public sealed class InterruptionTests
{
    private const int Interrupt = 2;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cancelled_run_ends_soon_and_its_partial_work_is_on_the_branch(bool force)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WriteHalf}\n---\nhang", "--branch", "b");
        await home.WaitForFileAsync(id, "half.txt");
        var cancelled = await home.BerthAsync(Cancel, force ? ["cancel", id, "--force"] : ["cancel", id]);
        var run = await home.FinalAsync(id);

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        Assert.True(cancelled.ExitCode == 0, cancelled.Error);
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task Ctrl_C_on_the_attached_command_is_a_soft_stop_and_exits_with_130()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        using var command = home.Start(
            null,
            "run",
            "implement",
            BerthHome.Prompt($"bash {HomeRuns.WriteHalf}\n---\nhang"),
            "--json",
            "--branch",
            "b");
        var id = await home.OnlyRunAsync();
        await home.WaitForFileAsync(id, "half.txt");
        command.Signal(Interrupt);
        var ended = await command.EndAsync(Cancel);

        Assert.Equal(130, ended.ExitCode);
        Assert.Equal("cancelled", ended.Json.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
    }

    [Fact]
    public async Task A_queued_run_is_cancelled_before_it_begins_and_leaves_nothing()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MAX_CONCURRENT", "1");
        var first = await home.DetachAsync("hang");
        await home.StateAsync(first, "running");
        var second = await home.DetachAsync("text Never.");
        await home.BerthAsync(Cancel, "cancel", second);
        var run = await home.FinalAsync(second);
        await home.BerthAsync(Cancel, "cancel", first, "--force");

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("startedAt").ValueKind);
        Assert.DoesNotContain(
            home.Model.Requests,
            request => request.Text().Contains("Never.", StringComparison.Ordinal));
        await home.FinalAsync(first);
    }

    [Fact]
    public async Task Kill_9_of_the_command_changes_nothing_about_the_run()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        using var command = home.Start(
            null,
            "run",
            "implement",
            BerthHome.Prompt($"bash {HomeRuns.WaitForGo}; echo done > done.txt\n---\ntext Done."),
            "--branch",
            "b");
        var id = await home.OnlyRunAsync();
        await home.WaitForFileAsync(id, "started");
        command.Signal(HomeRuns.Kill);
        await command.EndAsync(Cancel);
        home.LetGo(id);
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
    }

    [Fact]
    public async Task F01_Kill_9_of_the_host_too_and_the_next_command_adopts_the_run_with_its_model_calls()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync(
            $"bash {HomeRuns.WaitForGo}\n---\nbash echo after > after.txt\n---\ntext All done.", "--branch", "b");
        await home.WaitForFileAsync(id, "started");
        await home.KillHostAsync(id);
        home.LetGo(id);

        // From here on the CLI meets a gateway that is not there.
        await home.WaitForJournalAsync(id, "tool_result");
        await home.BerthAsync(Cancel, "ps");
        var run = await home.FinalAsync(id);
        var raw = await home.BerthAsync(Cancel, "logs", id, "--raw");

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("All done.", run.GetProperty("result").GetString());
        Assert.Equal("after\n", await home.GitAsync(Cancel, "show", "b:after.txt"));
        home.AssertNumberedWithoutGaps(id);
        Assert.Single(raw.Output.Split('\n'), line => line.Contains("\"type\":\"result\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(120)]
    [InlineData(250)]
    [InlineData(500)]
    [InlineData(900)]
    [InlineData(1400)]
    public async Task F02_Kill_9_of_the_host_at_any_moment_loses_no_run(int milliseconds)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync("bash echo 1 > one.txt\n---\ntext Done.", "--branch", "b");
        await Task.Delay(milliseconds, Cancel);
        await home.KillHostAsync(id);
        await home.BerthAsync(Cancel, "ps");
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("1\n", await home.GitAsync(Cancel, "show", "b:one.txt"));
        home.AssertNumberedWithoutGaps(id);
    }

    [Fact]
    public async Task F03_Kill_9_of_the_supervisor_and_the_run_is_lost_with_transcript_and_workspace_kept()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WriteHalf}\n---\nhang");
        await home.WaitForFileAsync(id, "half.txt");
        Assert.True(home.SupervisorOf(id)!.Signal(HomeRuns.Kill));
        var run = await home.FinalAsync(id);
        var shown = await home.BerthAsync(Cancel, "run", "review", BerthHome.Prompt("text Still working."), "--json");

        Assert.Equal("lost", run.GetProperty("state").GetString());
        Assert.True(File.Exists(Path.Combine(run.GetProperty("workspacePath").GetString()!, "half.txt")));
        Assert.Contains("half.txt", (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
        await HomeRuns.NothingLeftAsync(id);
        Assert.Equal(0, shown.ExitCode);
    }
}
