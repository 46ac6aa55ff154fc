using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What an agent leaves beside its work at HEAD, in whole runs of the real CLI, in both modes and after each
/// kind of end.</summary>
public sealed class LeftWorkTests
{
    private const string Stash = "echo work > stashed.txt; git stash -q -u; echo stray > stray.txt";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task F73_F74_A_stash_and_another_branch_are_delivered_beside_the_runs(string mode)
    {
        await using var home = await CreateAsync(mode);
        var (command, run) = await home.RunAsync(
            $"bash git checkout -q -b side; echo side > s; git add s; git commit -qm s; git checkout -q -; {Stash}\n"
                + "---\ntext Done.",
            Cancel, "--mode", mode, "--branch", "b");

        Assert.True(command.ExitCode == 0, command.Error + command.Output);
        Assert.Equal("stray\n", await home.GitAsync(Cancel, "show", "b:stray.txt"));
        Assert.Equal("side\n", await home.GitAsync(Cancel, "show", "b-side:s"));
        Assert.Equal("work\n", await home.GitAsync(Cancel, "show", "b-stash^3:stashed.txt"));
        Assert.Equal(
            ["refs/heads/b-side", "refs/heads/b-stash"],
            run.GetProperty("refs").EnumerateArray().Select(one => one.GetProperty("ref").GetString()));
        Assert.Equal(JsonValueKind.Null, run.GetProperty("workspacePath").ValueKind);
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task F72_F75_What_git_passes_over_is_named_and_its_workspace_kept(string mode)
    {
        await using var home = await CreateAsync(mode);
        var (command, run) = await home.RunAsync(
            "bash echo 'git init -q inner; echo x > inner/mine; mkdir -p odd/.git; echo y > odd/.git/mine; "
                + "mkfifo pipe' > do.sh; sh do.sh\n---\ntext Done.",
            Cancel, "--mode", mode);

        Assert.Equal(0, command.ExitCode);
        var warning = Assert.Single(
            run.GetProperty("warnings").EnumerateArray(),
            one => one.GetString()!.Contains("inner", StringComparison.Ordinal)).GetString()!;
        Assert.Contains("odd/.git", warning, StringComparison.Ordinal);
        Assert.Contains("pipe", warning, StringComparison.Ordinal);
        var workspace = run.GetProperty("workspacePath").GetString()!;
        Assert.Equal("x\n", await File.ReadAllTextAsync(Path.Combine(workspace, "inner", "mine"), Cancel));
    }

    [Theory]
    [InlineData("--max-turns", "1", "bash {0}\n---\nbash true\n---\ntext Done.")]
    [InlineData("--timeout", "20s", "bash {0}; sleep 300\n---\ntext Done.")]
    public async Task F73_A_limit_ends_the_run_and_the_stash_is_still_delivered(
        string option, string value, string script)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (command, run) = await home.RunAsync(
            script.Replace("{0}", Stash, StringComparison.Ordinal), Cancel, option, value, "--branch", "b");

        Assert.NotEqual(0, command.ExitCode);
        Assert.Equal("work\n", await home.GitAsync(Cancel, "show", "b-stash^3:stashed.txt"));
        Assert.Equal(1, run.GetProperty("refs").GetArrayLength());
    }

    [Fact]
    public async Task F73_A_cancelled_run_delivers_its_stash()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {Stash}; {HomeRuns.WaitForGo}\n---\ntext Done.", "--branch", "b");
        await home.WaitForFileAsync(id, "started");
        await home.BerthAsync(Cancel, "cancel", id);
        var run = await home.FinalAsync(id);
        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal("work\n", await home.GitAsync(Cancel, "show", "b-stash^3:stashed.txt"));
    }

    [Theory]
    [InlineData("local")]
    [InlineData("docker")]
    public async Task F75_An_agent_whose_program_is_killed_has_its_work_delivered(string mode)
    {
        await using var home = await CreateAsync(mode);
        var (command, run) = await home.RunAsync(
            $"bash {Stash}; kill -9 $PPID; sleep 300\n---\ntext Done.", Cancel, "--mode", mode, "--branch", "b");

        Assert.Equal(1, command.ExitCode);
        Assert.Equal("failed", run.GetProperty("state").GetString());
        Assert.Equal("stray\n", await home.GitAsync(Cancel, "show", "b:stray.txt"));
        Assert.Equal("work\n", await home.GitAsync(Cancel, "show", "b-stash^3:stashed.txt"));
    }

    [Fact]
    public async Task G85_A_head_below_the_base_is_said_and_not_called_no_change()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await home.CommitAsync("One more", Cancel);
        var below = (await home.GitAsync(Cancel, "rev-parse", "HEAD~1")).Trim();
        var (command, run) = await home.RunAsync("bash git reset -q --hard HEAD~1\n---\ntext Done.", Cancel);
        var shown = await home.BerthAsync(Cancel, "show", run.GetProperty("id").GetString()!);

        Assert.Equal(0, command.ExitCode);
        var warning = Assert.Single(run.GetProperty("warnings").EnumerateArray()).GetString()!;
        Assert.Contains($"moved back to {below}", warning, StringComparison.Ordinal);
        Assert.DoesNotContain("changed nothing", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task F83_A_file_of_Git_LFS_that_was_committed_whole_is_said()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await File.WriteAllTextAsync(
            Path.Combine(home.Repository, ".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n", Cancel);
        await home.CommitAsync("Attributes", Cancel);
        var (_, run) = await home.RunAsync(
            "bash head -c 4000 /dev/zero > big.bin; echo 'version https://git-lfs.github.com/spec/v1' > small.bin\n"
                + "---\ntext Done.",
            Cancel);
        var warning = Assert.Single(run.GetProperty("warnings").EnumerateArray()).GetString()!;
        Assert.Contains("big.bin", warning, StringComparison.Ordinal);
        Assert.DoesNotContain("small.bin", warning, StringComparison.Ordinal);
    }

    private static async Task<BerthHome> CreateAsync(string mode) =>
        mode is "docker" ? await DockerHome.CreateAsync() : await BerthHome.CreateAsync(Cancel);
}
