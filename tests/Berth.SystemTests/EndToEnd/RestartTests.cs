using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>FAULTS A 10, 15 and 16 in both modes: what happens while no host lives, what a reboot leaves, and whose is
/// what where several look after runs.</summary>
public sealed class RestartTests
{
    private const string Short = "bash echo 1 > one.txt\n---\ntext Done.";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task A10_A_time_limit_that_passes_while_no_host_lives_is_kept_and_told_by_the_next(string mode)
    {
        await using var home = await HomeAsync(mode);
        var id = await home.DetachAsync(
            $"bash {HomeRuns.WriteHalf}; sleep 600\n---\ntext Never.", "--timeout", "40s", "--branch", "b");
        await home.WaitForFileAsync(id, "half.txt");
        await home.KillHostAsync(id);
        await Eventually.TrueAsync(
            () => File.Exists(home.RunFile(id, "exit.json")), "the supervisor ends the run", BerthHome.Patience);
        await HomeRuns.NothingLeftAsync(id);

        await home.BerthAsync(Cancel, "ps");
        var run = await home.FinalAsync(id);

        Assert.Equal("timed_out", run.GetProperty("state").GetString());
        Assert.Equal("timed_out", ErrorOf(run));
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        await NothingLeftAsync(home, mode, id);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task A15_After_a_reboot_what_ran_is_lost_and_what_had_never_started_is_carried_out(string mode)
    {
        await using var home = await HomeAsync(mode);
        home.Set("CLAUDE_CODE_MAX_CONCURRENT", "2");
        var running = await home.DetachAsync($"bash {HomeRuns.WriteHalf}; sleep 600\n---\ntext Never.");
        await home.WaitForFileAsync(running, "half.txt");
        string preparing, queued;
        await using (home.HoldMirror())
        {
            preparing = await home.DetachAsync(Short, "--branch", "preparing");
            await home.WaitForPhaseAsync(preparing, "prepare");
            queued = await home.DetachAsync(Short, "--branch", "queued");
            await home.WaitForPhaseAsync(queued, "queued");
            await home.RebootAsync(running, preparing, queued);
        }

        await home.BerthAsync(Cancel, "ps");
        var lost = await home.FinalAsync(running);

        Assert.Equal(("lost", "machine_restarted"), (lost.GetProperty("state").GetString(), ErrorOf(lost)));
        Assert.True(File.Exists(Path.Combine(lost.GetProperty("workspacePath").GetString()!, "half.txt")));
        foreach (var (id, branch) in new[] { (preparing, "preparing"), (queued, "queued") })
        {
            Assert.Equal("succeeded", (await home.FinalAsync(id)).GetProperty("state").GetString());
            Assert.Equal("1\n", await home.GitAsync(Cancel, "show", $"{branch}:one.txt"));
        }

        await NothingLeftAsync(home, mode, running, preparing, queued);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task A16_Of_two_homes_each_sweeps_only_its_own(string mode)
    {
        await using var ours = await HomeAsync(mode);
        await using var theirs = await HomeAsync(mode);
        var live = await theirs.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await theirs.WaitForFileAsync(live, "started");
        var (left, kept) = (await LeftOverAsync(ours, mode), await LeftOverAsync(theirs, mode));

        var swept = await ours.BerthAsync(Cancel, "cleanup", "--all");

        Assert.True(swept.ExitCode == 0, swept.Output + swept.Error);
        Assert.False(Path.Exists(ours.RunFile(left, "workspace")));
        Assert.True(Path.Exists(theirs.RunFile(kept, "workspace")));
        await NothingLeftAsync(ours, mode, left);
        await AssertContainersAsync(mode, live, kept);

        theirs.LetGo(live);
        Assert.Equal("succeeded", (await theirs.FinalAsync(live)).GetProperty("state").GetString());
        swept = await theirs.BerthAsync(Cancel, "cleanup", "--all");
        Assert.True(swept.ExitCode == 0, swept.Output + swept.Error);
        Assert.False(Path.Exists(theirs.RunFile(kept, "workspace")));
        await NothingLeftAsync(theirs, mode, live, kept);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task A16_A_second_host_of_a_run_leaves_it_to_the_first(string mode)
    {
        await using var home = await HomeAsync(mode);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(id, "started");
        var first = Assert.Single(HomeRuns.HostsOf(id));

        var others = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => home.BerthAsync(Cancel, "host", id)));

        Assert.All(others, other => Assert.Equal((0, "", ""), (other.ExitCode, other.Output, other.Error)));
        Assert.Equal(first, Assert.Single(HomeRuns.HostsOf(id)));
        home.LetGo(id);
        Assert.Equal("succeeded", (await home.FinalAsync(id)).GetProperty("state").GetString());
        Assert.DoesNotContain("\"type\":\"adopted\"", home.Journal(id), StringComparison.Ordinal);
        await NothingLeftAsync(home, mode, id);
    }

    private static async Task<BerthHome> HomeAsync(string mode)
    {
        var home = mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MODE", mode);
        return home;
    }

    // A run that has ended and left what it can: its workspace, and its container, as the daemon could not be reached.
    private static async Task<string> LeftOverAsync(BerthHome home, string mode)
    {
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.", "--keep");
        await home.WaitForFileAsync(id, "started");
        await home.KillHostAsync(id);
        home.Set("DOCKER_HOST", $"unix://{home.Folder}/none.sock");
        home.LetGo(id);
        var run = await home.FinalAsync(id);
        home.Set("DOCKER_HOST", mode is "docker" ? SystemTestEnvironment.DockerHost : null);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        await AssertContainersAsync(mode, id);
        return id;
    }

    private static async Task AssertContainersAsync(string mode, params IReadOnlyList<string> ids)
    {
        foreach (var id in mode is "docker" ? ids : [])
        {
            Assert.Single(await DockerHome.ContainersOfAsync(id));
        }
    }

    private static async Task NothingLeftAsync(BerthHome home, string mode, params IReadOnlyList<string> ids)
    {
        foreach (var id in ids)
        {
            await HomeRuns.NothingLeftAsync(id);
            home.AssertNumberedWithoutGaps(id);
            Assert.Empty(mode is "docker" ? await DockerHome.ContainersOfAsync(id) : []);
        }
    }

    private static string? ErrorOf(JsonElement run) => run.GetProperty("error").GetProperty("code").GetString();
}
