using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// FAULTS D 30: the whole host is killed while it prepares. The next command takes the run over, and nobody ever sees
/// half a clone.
/// </summary>
public sealed class HostDeathTests
{
    private const int Files = 2000;

    // Milliseconds after the preparation began; it takes some 500, so some moments fall behind it.
    private static readonly int[][] Moments =
    [
        [3, 40, 700], [11, 250, 90], [160, 20, 330], [75, 480, 5],
    ];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F30_A_clone_whose_host_was_killed_is_ended_and_made_anew()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var blocked = await BlockedObject.InAsync(home, Cancel);
        var id = await home.DetachAsync("bash git fsck --full && ls > seen.txt\n---\ntext Done.", "--branch", "b");
        await blocked.WhenReadAsync();
        await home.KillHostAsync(id);

        // The git that it had started still waits for the object; whoever reads it from now on gets it.
        blocked.GiveBack();
        await home.BerthAsync(Cancel, "ps");
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("README.md\nseen.txt\n", await home.GitAsync(Cancel, "show", "b:seen.txt"));
        await blocked.WhenLeftAsync();
        await AssertWholeAsync(home, id);
    }

    [Fact]
    public async Task F30_A_run_whose_host_was_killed_while_it_prepared_can_still_be_cancelled()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await using var blocked = await BlockedObject.InAsync(home, Cancel);
        var id = await home.DetachAsync("text Never.");
        await blocked.WhenReadAsync();
        await home.KillHostAsync(id);
        Directory.CreateDirectory(home.RunFile(id, "workspace/half"));
        await home.BerthAsync(Cancel, "cancel", id);
        var run = await home.FinalAsync(id);

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        await blocked.WhenLeftAsync();
        Assert.Empty(Directory.EnumerateDirectories(Path.GetDirectoryName(home.Mirror())!));
        Assert.Empty(Directory.EnumerateFileSystemEntries(home.RunFile(id, "."), "workspace*"));
        Assert.Empty(home.Model.Requests);
        home.AssertNumberedWithoutGaps(id);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task F30_Hosts_that_are_killed_again_and_again_while_they_prepare_lose_no_run(int row)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await AddFilesAsync(home);
        var id = await home.DetachAsync(
            "bash git fsck --full && ls files | wc -l > count.txt\n---\ntext Done.", "--branch", "b");
        foreach (var moment in Moments[row])
        {
            await home.WaitForPhaseAsync(id, "prepare");
            await Task.Delay(moment, Cancel);
            await home.KillHostAsync(id);
            await home.BerthAsync(Cancel, "ps");
        }

        var run = await home.FinalAsync(id);
        var (next, _) = await home.RunAsync(
            "bash git fsck --full && ls files | wc -l > count.txt\n---\ntext Done.", Cancel, "--branch", "next");

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.True(next.ExitCode == 0, next.Error);
        foreach (var branch in new[] { "b", "next" })
        {
            Assert.Equal($"{Files}\n", await home.GitAsync(Cancel, "show", $"{branch}:count.txt"));
        }

        await AssertWholeAsync(home, id);
    }

    private static async Task AddFilesAsync(BerthHome home)
    {
        var folder = Directory.CreateDirectory(Path.Combine(home.Repository, "files")).FullName;
        for (var file = 0; file < Files; file++)
        {
            await File.WriteAllTextAsync(Path.Combine(folder, $"file-{file}.txt"), $"content {file}\n", Cancel);
        }

        await home.CommitAsync("Many files", Cancel);
    }

    private static async Task AssertWholeAsync(BerthHome home, string id)
    {
        Assert.Equal([home.Mirror()], Directory.EnumerateDirectories(Path.GetDirectoryName(home.Mirror())!));
        await BerthHome.GitInAsync(home.Mirror(), Cancel, "fsck", "--full", "--strict");
        Assert.Empty(Directory.EnumerateFileSystemEntries(home.RunFile(id, "."), "workspace*"));
        await HomeRuns.NothingLeftAsync(id);
        home.AssertNumberedWithoutGaps(id);
    }
}
