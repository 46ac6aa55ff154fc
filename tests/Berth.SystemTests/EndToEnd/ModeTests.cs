using Berth.SystemTests.Executors;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Which mode a run has, who said so, and what is said where it cannot be had. None of it needs a
/// Docker.</summary>
public sealed class ModeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Where_nobody_names_a_mode_it_is_docker_and_who_has_none_is_told_what_to_type()
    {
        await using var home = await UnsaidAsync();
        var refused = await RefusedAsync(home, 5, "docker_unreachable");

        Assert.Contains("unix:///nowhere/docker.sock", refused.Message, StringComparison.Ordinal);
        Assert.Contains("--mode local", refused.Hint, StringComparison.Ordinal);
        Assert.Contains("CLAUDE_CODE_MODE=local", refused.Hint, StringComparison.Ordinal);
        var named = await RefusedAsync(home, 5, "docker_unreachable", "--mode", "docker");
        Assert.DoesNotContain("--mode local", named.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_never_answers_is_an_error_that_says_what_to_type()
    {
        await using var home = await UnsaidAsync();
        await using var silent = new SilentDaemon(Path.Combine(home.Folder, "d.sock"));
        home.Set("DOCKER_HOST", silent.Host);
        var refused = await RefusedAsync(home, 5, "docker_not_answering");

        Assert.Contains(silent.Host, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--mode local", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task While_LocalMode_is_off_local_is_refused_whoever_asks_for_it()
    {
        await using var home = await UnsaidAsync();
        home.Set("BERTH_LOCAL_MODE", "off");
        var byRun = await RefusedAsync(home, 5, "local_mode_off", "--mode", "local");
        home.Set("CLAUDE_CODE_MODE", "local");
        var bySetting = await RefusedAsync(home, 5, "local_mode_off");
        home.Set("CLAUDE_CODE_MODE", "auto");
        var auto = await RefusedAsync(home, 5, "docker_unreachable");

        Assert.StartsWith("--mode says local", byRun.Message, StringComparison.Ordinal);
        Assert.Contains("BERTH_LOCAL_MODE=on", byRun.Hint, StringComparison.Ordinal);
        Assert.StartsWith("CLAUDE_CODE_MODE says local", bySetting.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("--mode local", auto.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mode_that_there_is_not_is_refused_by_name()
    {
        await using var home = await UnsaidAsync();
        var refused = await RefusedAsync(home, 2, "mode_unknown", "--mode", "cloud");

        Assert.Equal("--mode says 'cloud', and there is no such mode.", refused.Message);
        Assert.Contains("local, docker, auto", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_roll_out_makes_runs_local_that_nobody_gave_a_mode_and_they_stay_so_when_it_is_turned_off()
    {
        const string Why = "the roll-out of LocalMode (100 %) says local";
        await using var home = await UnsaidAsync();
        Directory.CreateDirectory(home.Home);
        await File.WriteAllTextAsync(Path.Combine(home.Home, "berth.json"), """{"localMode": "100%"}""", Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(id, "started");

        await home.KillHostAsync(id);
        home.Set("BERTH_LOCAL_MODE", "off");
        home.Set("CLAUDE_CODE_MODE", "docker");
        await home.BerthAsync(Cancel, "ps");
        home.LetGo(id);
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("local", run.GetProperty("mode").GetString());
        Assert.Equal(Why, run.GetProperty("modeReason").GetString());
        Assert.Contains(Why, home.Journal(id).Split('\n')[0], StringComparison.Ordinal);
        Assert.Contains(Why, (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_says_the_flag_and_the_mode_of_runs_that_name_none()
    {
        await using var home = await UnsaidAsync();
        var plain = await ModeCheckAsync(home);
        home.Set("BERTH_LOCAL_MODE", "5%, review");
        var rolled = await ModeCheckAsync(home);
        home.Set("BERTH_LOCAL_MODE", "nosuch");
        var unknown = await ModeCheckAsync(home);
        home.Set("BERTH_LOCAL_MODE", null);
        home.Set("CLAUDE_CODE_MODE", "auto");
        var set = await ModeCheckAsync(home);

        Assert.Equal((false, "docker, the default; LocalMode is on: local where it is asked for"),
            (plain.Ok, plain.Detail));
        Assert.Contains("--mode local", plain.Mend, StringComparison.Ordinal);
        Assert.EndsWith("LocalMode is 5 %, review", rolled.Detail, StringComparison.Ordinal);
        Assert.Equal((false, "LocalMode is nosuch, and there is no workflow nosuch"), (unknown.Ok, unknown.Detail));
        Assert.Equal((true, "auto, by CLAUDE_CODE_MODE; LocalMode is on: local where it is asked for"),
            (set.Ok, set.Detail));
    }

    private static async Task<BerthHome> UnsaidAsync()
    {
        var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MODE", null);
        home.Set("DOCKER_HOST", "unix:///nowhere/docker.sock");
        return home;
    }

    // Whatever refuses a run does it before anything is made.
    private static async Task<(string Message, string Hint)> RefusedAsync(
        BerthHome home, int exitCode, string code, params IReadOnlyList<string> options)
    {
        var refused = await home.BerthAsync(
            Cancel, ["run", "implement", BerthHome.Prompt("text Hi."), "--json", .. options]);
        var error = refused.Json.GetProperty("error");
        Assert.Equal((exitCode, code), (refused.ExitCode, error.GetProperty("code").GetString()));
        Assert.Equal("[]", (await home.BerthAsync(Cancel, "ps", "--all", "--json")).Output.Trim());
        return (error.GetProperty("message").GetString()!, error.GetProperty("hint").GetString()!);
    }

    private static async Task<(bool Ok, string Detail, string Mend)> ModeCheckAsync(BerthHome home)
    {
        var check = (await home.BerthAsync(Cancel, "doctor", "--json")).Json.GetProperty("checks").EnumerateArray()
            .Single(found => found.GetProperty("name").GetString() is "mode");
        return (check.GetProperty("ok").GetBoolean(), check.GetProperty("detail").GetString()!,
            check.GetProperty("mend").GetString()!);
    }
}
