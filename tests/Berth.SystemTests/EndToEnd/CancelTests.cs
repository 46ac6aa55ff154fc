using System.Text;
using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>A run is cancelled in each of its phases: there is one outcome, it is true, and nothing is left.</summary>
public sealed class CancelTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F09_A_run_that_waits_for_the_mirror_is_cancelled_before_it_has_a_workspace()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        string id;
        await using (home.HoldMirror())
        {
            id = await home.DetachAsync("text Never.");
            await home.WaitForPhaseAsync(id, "prepare");
            await home.BerthAsync(Cancel, "cancel", id);
            await AssertCancelledInPrepareAsync(home, id);
        }

        await AssertNextRunWorksAsync(home);
    }

    [Fact]
    public async Task F09_F30_A_clone_that_is_under_way_is_cancelled_and_never_seen_half_made()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var blocked = await BlockedObject.InAsync(home, Cancel);
        var id = await home.DetachAsync("text Never.");
        await blocked.WhenReadAsync();
        await home.BerthAsync(Cancel, "cancel", id);
        await AssertCancelledInPrepareAsync(home, id);
        await blocked.WhenLeftAsync();

        Assert.Empty(Directory.EnumerateDirectories(Path.GetDirectoryName(home.Mirror())!));
        blocked.GiveBack();
        await AssertNextRunWorksAsync(home);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task F09_A_cancel_while_the_changes_are_committed_comes_too_late_unless_it_is_forced(bool force)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync(SlowCapture, "--branch", "b");
        await home.WaitForPhaseAsync(id, "capture");
        await home.WaitForFileAsync(id, "capturing");
        await home.BerthAsync(Cancel, force ? ["cancel", id, "--force"] : ["cancel", id]);
        if (!force)
        {
            await home.StateAsync(id, "stopping");
            home.LetGo(id);
        }

        var run = await home.FinalAsync(id);
        var branches = await home.GitAsync(Cancel, "branch", "--list", "--format=%(refname:short)");

        Assert.Equal(force ? "cancelled" : "succeeded", run.GetProperty("state").GetString());
        Assert.Equal(force ? "main\n" : "b\nmain\n", branches);
        if (force)
        {
            // The work is nowhere else now, so it is kept where it is.
            Assert.Equal("capture_cancelled", run.GetProperty("error").GetProperty("code").GetString());
            var kept = run.GetProperty("workspacePath").GetString()!;
            Assert.Equal("half\n", await File.ReadAllTextAsync(Path.Combine(kept, "half.txt"), Cancel));
        }

        await HomeRuns.NothingLeftAsync(id);
        home.AssertNumberedWithoutGaps(id);
    }

    [Fact]
    public async Task F09_A_cancel_while_the_commits_are_taken_over_comes_too_late()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync(
            $"bash {HomeRuns.WaitForGo}; {HomeRuns.WriteHalf}\n---\ntext Done.", "--branch", "b");
        await home.WaitForFileAsync(id, "started");
        await using (home.HoldMirror())
        {
            home.LetGo(id);
            await home.StateAsync(id, "capturing");
            await home.BerthAsync(Cancel, "cancel", id);
            await home.BerthAsync(Cancel, "cancel", id, "--force");
        }

        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task F09_A_cancel_after_the_end_changes_nothing_and_says_how_it_had_ended()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("text Done.", Cancel);
        var id = run.GetProperty("id").GetString()!;
        var soft = await home.BerthAsync(Cancel, "cancel", id);
        var hard = await home.BerthAsync(Cancel, "cancel", id, "--force", "--json");

        Assert.Equal(0, soft.ExitCode);
        Assert.Contains("had ended already: succeeded", soft.Output, StringComparison.Ordinal);
        Assert.Equal(run.GetRawText(), hard.Json.GetRawText());
    }

    // A filter of the agent's own holds the capture inside the sandbox until the test lets it go. The CLI denies a
    // plain write to .git, so the commands are hidden from it.
    private static string SlowCapture
    {
        get
        {
            const string Commands = """
                echo half > half.txt
                echo '*.txt filter=slow' > .gitattributes
                git config filter.slow.clean 'touch /workspace/capturing; while [ ! -e /workspace/go ]; do sleep 0.1; done; cat'
                """;
            var hidden = Convert.ToBase64String(Encoding.UTF8.GetBytes(Commands));
            return $"bash echo {hidden} | base64 -d > /tmp/slow.sh; sh /tmp/slow.sh\n---\ntext Done.";
        }
    }

    private static async Task AssertCancelledInPrepareAsync(BerthHome home, string id)
    {
        var run = await home.FinalAsync(id);

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal("done", run.GetProperty("cleanup").GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("workspacePath").ValueKind);
        Assert.Empty(Directory.EnumerateFileSystemEntries(home.RunFile(id, "."), "workspace*"));
        Assert.Empty(home.Model.Requests);
        await HomeRuns.NothingLeftAsync(id);
        home.AssertNumberedWithoutGaps(id);
    }

    private static async Task AssertNextRunWorksAsync(BerthHome home)
    {
        var (command, _) = await home.RunAsync("bash echo x > x.txt\n---\ntext Done.", Cancel, "--branch", "next");

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("x\n", await home.GitAsync(Cancel, "show", "next:x.txt"));
        await BerthHome.GitInAsync(home.Mirror(), Cancel, "fsck", "--full", "--strict");
    }
}
