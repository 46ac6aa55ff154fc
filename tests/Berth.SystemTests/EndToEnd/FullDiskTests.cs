using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>FAULTS 56 and 76: an agent that fills the disk costs itself its run, and nobody anything else.</summary>
public sealed class FullDiskTests
{
    // A first result, and then as much as there is room for.
    private const string Fills =
        "bash echo half > new && mv new half.txt; head -c 1G /dev/zero > filler; touch full; sleep 600\n---\nhang";

    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task G76_A_run_that_fills_the_disk_says_so_and_ends_as_failed_with_its_work_when_there_is_room()
    {
        await using var disk = await SmallDisk.CreateAsync(64, Cancel);
        var home = disk.Home;
        using var command = home.Start(null, "run", "implement", BerthHome.Prompt(Fills), "--branch", "b");
        var id = await home.OnlyRunAsync();
        await home.WaitForJournalAsync(id, "capture waits for");
        Assert.True(disk.IsFull, "The disk is not full.");
        var listed = await home.BerthAsync(Cancel, "ps", "--json");
        var shown = await home.BerthAsync(Cancel, "show", id);

        File.Delete(home.RunFile(id, "workspace/filler"));
        var ended = await command.EndAsync(Cancel);
        var run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;

        Assert.True(listed.ExitCode == 0, listed.Error);
        Assert.True(shown.ExitCode == 0, shown.Error);
        Assert.Equal(1, ended.ExitCode);
        Assert.Contains("capture waits for", ended.Output + ended.Error, StringComparison.Ordinal);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("disk_full", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        home.AssertNumberedWithoutGaps(id);
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task G76_On_a_full_disk_a_forced_cancel_ends_the_run_and_clean_up_makes_the_room()
    {
        await using var disk = await SmallDisk.CreateAsync(64, Cancel);
        var home = disk.Home;
        var id = await home.DetachAsync(Fills);
        await home.WaitForJournalAsync(id, "capture waits for");
        Assert.True(disk.IsFull, "The disk is not full.");

        var cancelled = await home.BerthAsync(Cancel, "cancel", id, "--force");
        var run = await home.FinalAsync(id);
        var isKept = File.Exists(home.RunFile(id, "workspace/filler"));
        var cleaned = await home.BerthAsync(Cancel, "cleanup", "--all");

        Assert.True(cancelled.ExitCode == 0, cancelled.Error);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("disk_full", run.GetProperty("error").GetProperty("code").GetString());
        Assert.True(isKept, "The workspace was not kept.");
        Assert.True(cleaned.ExitCode == 0, cleaned.Error);
        Assert.False(disk.IsFull, cleaned.Output);
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task G76_Commands_work_on_a_disk_that_is_full_although_no_program_has_the_database_open()
    {
        await using var disk = await SmallDisk.CreateAsync(64, Cancel);
        var home = disk.Home;
        var (_, run) = await home.RunAsync("bash echo done > done.txt\n---\ntext Done.", Cancel, "--keep");
        var id = run.GetProperty("id").GetString()!;
        disk.Fill();

        var listed = await home.BerthAsync(Cancel, "ps", "--all", "--json");
        var refused = await home.BerthAsync(Cancel, "run", "implement", BerthHome.Prompt("text Never."), "--json");
        var cleaned = await home.BerthAsync(Cancel, "cleanup", id);
        disk.Empty();
        var again = await home.BerthAsync(Cancel, "show", id, "--json");

        Assert.True(listed.ExitCode == 0, listed.Error);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Matches("disk_(full|low)", refused.Error);
        Assert.True(cleaned.ExitCode == 0, cleaned.Error);
        Assert.False(Directory.Exists(home.RunFile(id, "workspace")), cleaned.Output);
        Assert.Equal("done", again.Json.GetProperty("cleanup").GetProperty("state").GetString());
    }

    [Fact]
    public async Task G76_A_host_that_finds_no_room_for_its_records_waits_for_it()
    {
        await using var disk = await SmallDisk.CreateAsync(64, Cancel);
        var home = disk.Home;
        home.Set("BERTH_DISK_STOP", "0");
        var id = await home.DetachAsync(
            $"bash echo done > done.txt; {HomeRuns.WaitForGo}\n---\ntext Done.", "--branch", "b");
        await home.WaitForFileAsync(id, "started");
        home.LetGo(id);
        disk.Fill();
        await home.WaitForJournalAsync(id, "capture waits for");
        disk.Empty();
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
        home.AssertNumberedWithoutGaps(id);
    }

    [Theory]
    [InlineData("supervisor.log")]
    [InlineData("host.log")]
    public async Task G76_A_log_on_a_full_disk_ends_no_program_of_the_run(string log)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MAX_CONCURRENT", "1");
        var first = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        var second = await home.DetachAsync("text Done.");
        await Eventually.TrueAsync(() => HomeRuns.HostsOf(second).Count > 0, "the host", BerthHome.Patience);
        await home.KillHostAsync(second);
        File.Delete(home.RunFile(second, log));
        File.CreateSymbolicLink(home.RunFile(second, log), "/dev/full");
        home.LetGo(first);
        await home.FinalAsync(first);
        var run = await home.FinalAsync(second);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("ps", "--json")]
    [InlineData("ps")]
    public async Task G76_A_command_whose_output_finds_no_room_says_so(params string[] command)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await home.RunAsync("text Done.", Cancel);
        using var shell = home.StartProgram(
            "/bin/sh", null, ["-c", "exec \"$0\" \"$@\" > /dev/full", home.Program, .. command]);
        var ended = await shell.EndAsync(Cancel);

        Assert.Equal(1, ended.ExitCode);
        Assert.Contains("(disk_full)", ended.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F56_A_run_that_comes_near_the_mark_is_stopped_before_the_disk_is_full()
    {
        await using var disk = await SmallDisk.CreateAsync(128, Cancel);
        var home = disk.Home;
        home.Set("BERTH_DISK_STOP", "48M");
        const string Slowly = "bash echo half > half.txt; for i in $(seq 1000); do "
            + "head -c 1M /dev/zero >> filler; sleep 0.01; done\n---\ntext Done.";
        var id = await home.DetachAsync(Slowly, "--branch", "b");
        var run = await home.FinalAsync(id);

        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("disk_full", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task F56_A_run_that_holds_little_goes_on_while_others_fill_the_disk_up_to_half_of_the_mark()
    {
        await using var disk = await SmallDisk.CreateAsync(128, Cancel);
        var home = disk.Home;
        home.Set("BERTH_DISK_STOP", "64M");
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}; echo done > done.txt\n---\ntext Done.");
        await home.WaitForFileAsync(id, "started");
        await File.WriteAllBytesAsync(Path.Combine(home.Home, "filling"), new byte[78 * 1024 * 1024], Cancel);
        await Eventually.TrueAsync(
            () => new DriveInfo(home.Home).AvailableFreeSpace < 60 * 1024 * 1024, "the mark is passed", Bound);
        home.LetGo(id);
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
    }

    [Theory]
    [InlineData("filler", "local")]
    [InlineData("$HOME/filler", "local")]
    [InlineData("$BERTH_ARTIFACTS/filler", "local")]
    public async Task F56_A_run_whose_own_files_hold_more_than_they_may_is_stopped_with_its_work(
        string file, string mode)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("BERTH_DISK", "32M");
        var (command, run) = await home.RunAsync(
            $"bash echo half > half.txt; head -c 64M /dev/urandom > \"{file}\"; sleep 600\n---\ntext Done.",
            Cancel, "--branch", "b", "--mode", mode);

        Assert.True(command.ExitCode != 0, command.Error);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("disk_limit", run.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
    }
}
