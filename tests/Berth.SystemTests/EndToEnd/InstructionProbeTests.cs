using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Whether the CLI reads CLAUDE.md, asked once for each CLI.</summary>
public sealed class InstructionProbeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F69_The_doctor_proves_that_the_cli_reads_the_instructions_and_remembers_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var first = await CheckAsync(home);
        var memory = Path.Combine(home.Home, "claude-instructions");

        Assert.True(first.GetProperty("ok").GetBoolean(), first.ToString());
        Assert.True(File.Exists(memory));
        var written = File.GetLastWriteTimeUtc(memory);
        Assert.True((await CheckAsync(home)).GetProperty("ok").GetBoolean());
        Assert.Equal(written, File.GetLastWriteTimeUtc(memory));
        Assert.Empty(home.Model.Requests);
    }

    [Fact]
    public async Task F69_A_cli_that_leaves_the_instructions_out_is_named_with_the_setting()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var bare = Path.Combine(home.Folder, "claude");
        await File.WriteAllTextAsync(
            bare, $"#!/bin/sh\nexec '{SystemTestEnvironment.RealClaude}' --bare \"$@\"\n", Cancel);
        File.SetUnixFileMode(bare, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        home.Set("BERTH_CLAUDE", bare);
        var check = await CheckAsync(home);

        Assert.False(check.GetProperty("ok").GetBoolean());
        Assert.Equal("instructions_not_read", check.GetProperty("code").GetString());
        Assert.Contains("BERTH_CLAUDE", check.GetProperty("mend").GetString(), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(home.Home, "claude-instructions")));
    }

    [Fact]
    public async Task F69_A_cli_that_says_nothing_is_no_proof_either_way()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("BERTH_CLAUDE", "/usr/bin/true");
        var check = await CheckAsync(home);

        Assert.Equal("instructions_not_proved", check.GetProperty("code").GetString());
        Assert.False(check.GetProperty("required").GetBoolean());
    }

    private static async Task<JsonElement> CheckAsync(BerthHome home)
    {
        var report = (await home.BerthAsync(Cancel, "doctor", "--json")).Json;
        return report.GetProperty("checks").EnumerateArray()
            .Single(check => check.GetProperty("name").GetString() is "instructions");
    }
}
