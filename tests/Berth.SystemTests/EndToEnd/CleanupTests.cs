using System.Globalization;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>What clean-up says that it removes is what is gone, to the byte.</summary>
public sealed class CleanupTests
{
    // Folders that cannot be written or read, links, hard links, a pipe, a sparse file, odd names.
    private const string Odd =
        "bash mkdir -p ro/in closed/in && echo 123 > ro/in/a && ln ro/in/a hard && ln -s / root && mkfifo pipe "
        + "&& truncate -s 100K sparse && echo x > \"$(printf 'new\\nline')\" && echo y > \"$(printf '\\377')\" "
        + "&& echo z > closed/in/z && chmod 500 ro/in ro && chmod 0 closed "
        + "&& echo report > $BERTH_ARTIFACTS/report\n---\ntext Done.";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_dry_run_says_to_the_byte_what_the_real_one_removes()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        await home.RunAsync(Odd, Cancel, "--keep");
        home.Set("CLAUDE_LOCAL_GIT_CACHE", "false");
        await home.RunAsync("bash echo x > x\n---\ntext Done.", Cancel, "--keep");
        home.Set("CLAUDE_LOCAL_GIT_CACHE", null);
        home.Set("CLAUDE_LOCAL_WORKSPACE", Path.Combine(home.Home, "elsewhere"));
        await home.RunAsync("bash echo elsewhere > x\n---\ntext Done.", Cancel, "--keep");
        home.Set("CLAUDE_LOCAL_WORKSPACE", null);
        var stranger = Path.Combine(home.Home, "runs", "stranger");
        Directory.CreateDirectory(Path.Combine(stranger, "workspace"));
        await File.WriteAllTextAsync(Path.Combine(stranger, "workspace", "a"), "12345", Cancel);
        await File.WriteAllTextAsync(Path.Combine(stranger, "events.ndjson"), "123", Cancel);
        Directory.SetLastWriteTimeUtc(stranger, DateTime.UnixEpoch);
        var working = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(working, "started");

        var before = await BytesAsync(home, working);
        var dry = await home.BerthAsync(Cancel, "cleanup", "--all", "--dry-run", "--json");
        var between = await BytesAsync(home, working);
        var real = await home.BerthAsync(Cancel, "cleanup", "--all", "--json");
        var after = await BytesAsync(home, working);
        var again = await home.BerthAsync(Cancel, "cleanup", "--all", "--json");
        var isWorking = File.Exists(home.RunFile(working, "workspace/started"));
        home.LetGo(working);
        await home.FinalAsync(working);

        Assert.True(real.ExitCode == 0, real.Error);
        Assert.Equal(before, between);
        Assert.True(before - after > 100 * 1024);
        Assert.Equal(before - after, real.Json.GetProperty("bytes").GetInt64());
        Assert.Equal(before - after, dry.Json.GetProperty("bytes").GetInt64());
        Assert.Equal(dry.Json.GetProperty("runs").GetRawText(), real.Json.GetProperty("runs").GetRawText());
        Assert.Equal(4, real.Json.GetProperty("runs").GetArrayLength());
        Assert.False(Directory.Exists(stranger));
        Assert.True(isWorking);
        Assert.Equal((0, 0L), (again.Json.GetProperty("runs").GetArrayLength(), BytesOf(again)));
    }

    [Fact]
    public async Task Of_two_at_once_one_has_each_byte_and_none_fails()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        for (var i = 0; i < 3; i++)
        {
            await home.RunAsync(
                "bash for i in $(seq 300); do head -c 1000 /dev/zero > $i; done\n---\ntext Done.", Cancel, "--keep");
        }

        var before = await BytesAsync(home);
        var both = await Task.WhenAll(
            Enumerable.Range(0, 3).Select(_ => home.BerthAsync(Cancel, "cleanup", "--all", "--json")));
        var after = await BytesAsync(home);

        Assert.All(both, command => Assert.True(command.ExitCode == 0, command.Error + command.Output));
        Assert.Equal(before - after, both.Sum(BytesOf));
        Assert.Equal(3, both.Sum(command => command.Json.GetProperty("runs").GetArrayLength()));
    }

    [Fact]
    public async Task The_oldest_runs_give_way_until_all_hold_at_most_so_much()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            var (_, run) = await home.RunAsync(
                "bash head -c 1M /dev/zero > $BERTH_ARTIFACTS/big\n---\ntext Done.", Cancel);
            ids.Add(run.GetProperty("id").GetString()!);
        }

        var working = await home.DetachAsync(
            $"bash head -c 9M /dev/zero > $BERTH_ARTIFACTS/big; {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(working, "started");
        var before = await BytesAsync(home, working);
        var enough = await home.BerthAsync(Cancel, "cleanup", "--max-size", "20M", "--json");
        var dry = await home.BerthAsync(Cancel, "cleanup", "--max-size", "2500K", "--dry-run", "--json");
        var real = await home.BerthAsync(Cancel, "cleanup", "--max-size", "2500K", "--json");
        var after = await BytesAsync(home, working);
        var left = ids.Select(id => Directory.Exists(home.RunFile(id, "artifacts"))).ToList();
        var none = await home.BerthAsync(Cancel, "cleanup", "--max-size", "0", "--json");
        home.LetGo(working);
        var kept = await home.FinalAsync(working);

        Assert.Equal(0, BytesOf(enough));
        Assert.Equal(before - after, BytesOf(real));
        Assert.Equal(BytesOf(dry), BytesOf(real));
        Assert.Equal([false, true, true], left);
        var only = Assert.Single(real.Json.GetProperty("runs").EnumerateArray());
        Assert.Equal(ids[0], only.GetProperty("runId").GetString());
        Assert.Equal(2, none.Json.GetProperty("runs").GetArrayLength());
        Assert.All(ids, id => Assert.False(File.Exists(home.RunFile(id, "conversation.jsonl"))));
        Assert.All(ids, id => Assert.True(File.Exists(home.RunFile(id, "events.ndjson"))));
        Assert.Equal("succeeded", kept.GetProperty("state").GetString());
        Assert.True(File.Exists(home.RunFile(working, "artifacts/big")));
    }

    [Fact]
    public async Task Artefacts_and_the_conversation_are_removed_by_age()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (_, run) = await home.RunAsync("bash echo x > $BERTH_ARTIFACTS/x\n---\ntext Done.", Cancel);
        var id = run.GetProperty("id").GetString()!;
        var young = await home.BerthAsync(Cancel, "cleanup", "--all", "--json");
        File.SetLastWriteTimeUtc(home.RunFile(id, "conversation.jsonl"), DateTime.UtcNow.AddDays(-2));
        Directory.SetLastWriteTimeUtc(home.RunFile(id, "artifacts"), DateTime.UtcNow.AddDays(-2));
        var month = await home.BerthAsync(Cancel, "cleanup", "--all", "--json");
        home.Set("BERTH_ARTIFACTS_LIFETIME", "36h");
        var before = await BytesAsync(home);
        var day = await home.BerthAsync(Cancel, "cleanup", id, "--json");
        var after = await BytesAsync(home);
        var list = await home.BerthAsync(Cancel, "artifacts", id, "--json");

        Assert.Equal((0, 0), (BytesOf(young), BytesOf(month)));
        Assert.Equal(before - after, BytesOf(day));
        Assert.True(before > after);
        Assert.Equal(
            ["transcript.ndjson"], list.Json.EnumerateArray().Select(each => each.GetProperty("name").GetString()));
    }

    [Fact]
    public async Task What_a_container_of_another_user_left_is_counted_and_removed_too()
    {
        await using var home = await DockerHome.CreateAsync();
        var (command, _) = await home.RunAsync(Odd, Cancel, "--mode", "docker", "--keep");
        Assert.True(command.ExitCode == 0, command.Error);

        var before = await BytesAsync(home);
        var dry = await home.BerthAsync(Cancel, "cleanup", "--all", "--dry-run", "--json");
        var real = await home.BerthAsync(Cancel, "cleanup", "--all", "--json");
        var after = await BytesAsync(home);

        Assert.True(real.ExitCode == 0, real.Output);
        Assert.True(before - after > 100 * 1024);
        Assert.Equal((before - after, before - after), (BytesOf(dry), BytesOf(real)));
    }

    [Theory]
    [InlineData("--max-size", "much")]
    [InlineData("--max-size", "-1")]
    public async Task What_is_no_size_is_refused(string option, string value)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var refused = await home.BerthAsync(Cancel, "cleanup", option, value);

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("usage", refused.Error, StringComparison.Ordinal);
    }

    private static long BytesOf(CommandResult command) => command.Json.GetProperty("bytes").GetInt64();

    // By other means than the program's: each plain file once, by whatever name. A run at work writes meanwhile.
    private static async Task<long> BytesAsync(BerthHome home, string working = "none")
    {
        var command = $"cd '{home.Home}' && mkdir -p elsewhere && find runs elsewhere -path '*/{working}' -prune -o "
            + "-type f -printf '%D:%i %s\\n' | sort -u";
        using var find = home.StartProgram("/bin/bash", input: null, "-c", command);
        var found = await find.EndAsync(Cancel);
        Assert.True(found.ExitCode == 0, found.Error);
        return found.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Sum(line => long.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
    }
}
