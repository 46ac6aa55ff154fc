using Berth.Protocol.Posix;
using Berth.SystemTests.Executors;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>The published program as it is used by somebody who is not root and may speak to Docker.</summary>
public sealed class OtherUserTests : IAsyncLifetime
{
    // Nobody on the machine has this number.
    private static readonly ChildUser User = new(65_533, 65_533);

    private readonly string programs = Directory.CreateTempSubdirectory("berth-programs-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Puts the programs where that user may read them, wherever the clone is.</summary>
    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can be another user.");
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(programs, File.GetUnixFileMode(programs) | Others);
        foreach (var (program, name) in new[]
        {
            (Path.GetDirectoryName(SystemTestEnvironment.PublishedBerth)!, "berth"),
            (SystemTestEnvironment.RealClaude, "claude"),
        })
        {
            const string Link = """cp -aLT --link "$1" "$2" 2>/dev/null || cp -aLT "$1" "$2" """;
            await ExecutorStage.ToolAsync("sh", ["-c", Link, "sh", program, Path.Combine(programs, name)]);
        }
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(programs, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task B22_A_user_who_is_not_root_runs_cancels_and_removes_everything(string mode)
    {
        await using var daemon =
            mode is "docker" ? await PrivateDaemon.StartAsync(liveRestore: false, User.Group) : null;
        await using var home = await HomeAsync(mode, daemon);
        var (command, run) = await home.RunAsync(
            "bash echo done > done.txt\n---\ntext Done.", Cancel, "--branch", "b");
        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
        var diff = await home.BerthAsync(Cancel, "diff", run.GetProperty("id").GetString()!);
        Assert.Contains("+done", diff.Output, StringComparison.Ordinal);

        var id = await home.DetachAsync(
            $"bash mkdir -p closed/inner; chmod 0 closed/inner; chmod 555 closed; {HomeRuns.WriteHalf}\n---\nhang",
            "--branch", "half", "--keep");
        await home.WaitForFileAsync(id, "half.txt");
        var cancel = await home.BerthAsync(Cancel, "cancel", id);
        var cancelled = await home.FinalAsync(id);
        Assert.True(cancel.ExitCode == 0, cancel.Error);
        Assert.Equal("cancelled", cancelled.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "half:half.txt"));

        var cleaned = await home.BerthAsync(Cancel, "cleanup", "--all");
        Assert.True(cleaned.ExitCode == 0, cleaned.Error + cleaned.Output);
        Assert.False(Path.Exists(home.RunFile(id, "workspace")));
        Assert.Empty(daemon is null ? [] : await daemon.ContainersAsync());
        await HomeRuns.NothingLeftAsync(id);
        using var removal = home.StartProgram("/usr/bin/rm", null, "-rf", "--", home.Home);
        var removed = await removal.EndAsync(Cancel);
        Assert.True(removed.ExitCode == 0 && !Path.Exists(home.Home), removed.Error);
    }

    private async Task<BerthHome> HomeAsync(string mode, PrivateDaemon? daemon)
    {
        var home = await BerthHome.CreateAsync(Cancel, Path.Combine(programs, "berth", "berth"));
        home.Set("BERTH_CLAUDE", Path.Combine(programs, "claude"));
        home.Set("CLAUDE_CODE_MODE", mode);
        home.Set("DOCKER_HOST", daemon?.Host);
        home.Set("BERTH_IMAGE", SystemTestEnvironment.RunImage);
        home.GiveTo(User);
        return home;
    }
}
