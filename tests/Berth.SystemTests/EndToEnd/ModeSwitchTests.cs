using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>One home, runs of both modes alive at once, and a setting that changes between.</summary>
public sealed class ModeSwitchTests
{
    private const string Waiting = $"bash {HomeRuns.WaitForGo}; pwd > where.txt\n---\ntext Done.";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Switching_there_and_back_touches_no_run_that_is_there()
    {
        await using var home = await DockerHome.CreateAsync();
        var local = await WaitingAsync(home, "local");
        var docker = await WaitingAsync(home, "docker");
        Assert.Equal(["docker running", "local running"], await ListedAsync(home));

        // Each is looked at and ended while the setting says the other mode.
        var said = await home.BerthAsync(Cancel, "logs", local);
        home.LetGo(local);
        var ended = await home.FinalAsync(local);
        home.Set("CLAUDE_CODE_MODE", "local");
        var back = await WaitingAsync(home, "local", "back");
        var saidByDocker = await home.BerthAsync(Cancel, "logs", docker);
        var cancel = await home.BerthAsync(Cancel, "cancel", docker);
        var cancelled = await home.FinalAsync(docker);

        Assert.Contains("CLAUDE_CODE_MODE says local", said.Output, StringComparison.Ordinal);
        Assert.Contains("CLAUDE_CODE_MODE says docker", saidByDocker.Output, StringComparison.Ordinal);
        Assert.True(cancel.ExitCode == 0, cancel.Error);
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        Assert.Equal("cancelled", cancelled.GetProperty("state").GetString());
        Assert.Equal("/workspace\n", await home.GitAsync(Cancel, "show", "local:where.txt"));
        Assert.Equal(["docker cancelled", "local running", "local succeeded"], await ListedAsync(home));

        home.Set("CLAUDE_CODE_MODE", "docker");
        home.LetGo(back);
        await home.FinalAsync(back);
        var cleaned = await home.BerthAsync(Cancel, "cleanup", "--all");
        Assert.True(cleaned.ExitCode == 0, cleaned.Error);
        await NothingLeftAsync(home, local, docker, back);
    }

    [Fact]
    public async Task After_a_crash_each_run_is_adopted_in_its_own_mode_whatever_the_settings_say_then()
    {
        await using var home = await DockerHome.CreateAsync();
        string[] ids = [await WaitingAsync(home, "local"), await WaitingAsync(home, "docker")];
        await Task.WhenAll(ids.Select(home.KillHostAsync));

        // The next command starts new hosts, in an environment that would let no run be local.
        home.Set("CLAUDE_CODE_MODE", "docker");
        home.Set("BERTH_LOCAL_MODE", "off");
        Assert.Equal(["docker running", "local running"], await ListedAsync(home));
        foreach (var id in ids)
        {
            await home.WaitForJournalAsync(id, "\"type\":\"adopted\"");
            home.LetGo(id);
        }

        var runs = await Task.WhenAll(ids.Select(home.FinalAsync));

        Assert.All(runs, run => Assert.Equal("succeeded", run.GetProperty("state").GetString()));
        Assert.Equal(["local", "docker"], runs.Select(run => run.GetProperty("mode").GetString()));
        foreach (var (id, branch) in ids.Zip(["local", "docker"]))
        {
            Assert.Equal("/workspace\n", await home.GitAsync(Cancel, "show", $"{branch}:where.txt"));
            home.AssertNumberedWithoutGaps(id);
        }

        await NothingLeftAsync(home, ids);
    }

    private static async Task<string> WaitingAsync(BerthHome home, string mode, string? branch = null)
    {
        home.Set("CLAUDE_CODE_MODE", mode);
        var id = await home.DetachAsync(Waiting, "--branch", branch ?? mode);
        await home.StateAsync(id, "running");
        await home.WaitForFileAsync(id, "started");
        return id;
    }

    private static async Task<IReadOnlyList<string>> ListedAsync(BerthHome home)
    {
        var listed = await home.BerthAsync(Cancel, "ps", "--json");
        return [.. listed.Json.EnumerateArray().Select(run => string.Join(
            ' ', new[] { "mode", "state" }.Select(name => run.GetProperty(name).GetString())))
            .Order(StringComparer.Ordinal)];
    }

    private static async Task NothingLeftAsync(BerthHome home, params IReadOnlyList<string> ids)
    {
        foreach (var id in ids)
        {
            await HomeRuns.NothingLeftAsync(id);
            Assert.Empty(await DockerHome.ContainersOfAsync(id));
            Assert.False(Directory.Exists(home.RunFile(id, "workspace")));
        }
    }
}
