using System.Text.Json;
using Berth.Engine.Processes;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Cancels, kills and restarts: nothing is lost, nothing is left, nothing is said twice.</summary>
public sealed class InterruptionTests
{
    private const int Kill = 9;
    private const int Interrupt = 2;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_cancelled_run_ends_soon_and_its_partial_work_is_on_the_branch(bool force)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await DetachAsync(home, "bash echo half > half.txt\n---\nhang", "--branch", "b");
        await WaitForFileAsync(home, id, "half.txt");
        var cancelled = await home.BerthAsync(Cancel, force ? ["cancel", id, "--force"] : ["cancel", id]);
        var run = await FinalAsync(home, id);

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        Assert.True(cancelled.ExitCode == 0, cancelled.Error);
        Assert.Empty(Leftovers(id));
    }

    [Fact]
    public async Task Ctrl_C_on_the_attached_command_is_a_soft_stop_and_exits_with_130()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        using var command = home.Start(
            null,
            "run",
            "implement",
            BerthHome.Prompt("bash echo half > half.txt\n---\nhang"),
            "--json",
            "--branch",
            "b");
        var id = await OnlyRunAsync(home);
        await WaitForFileAsync(home, id, "half.txt");
        command.Signal(Interrupt);
        var ended = await command.EndAsync(Cancel);

        Assert.Equal(130, ended.ExitCode);
        Assert.Equal("cancelled", ended.Json.GetProperty("state").GetString());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
    }

    [Fact]
    public async Task A_queued_run_is_cancelled_before_it_begins_and_leaves_nothing()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MAX_CONCURRENT", "1");
        var first = await DetachAsync(home, "hang");
        await StateAsync(home, first, "running");
        var second = await DetachAsync(home, "text Never.");
        await home.BerthAsync(Cancel, "cancel", second);
        var run = await FinalAsync(home, second);
        await home.BerthAsync(Cancel, "cancel", first, "--force");

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("startedAt").ValueKind);
        Assert.DoesNotContain(
            home.Model.Requests,
            request => request.Text().Contains("Never.", StringComparison.Ordinal));
        await FinalAsync(home, first);
    }

    [Fact]
    public async Task Kill_9_of_the_command_changes_nothing_about_the_run()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var gate = Path.Combine(home.Folder, "gate");
        using var command = home.Start(
            null,
            "run",
            "implement",
            BerthHome.Prompt("bash sleep 2; echo done > done.txt\n---\ntext Done."),
            "--branch",
            "b");
        var id = await OnlyRunAsync(home);
        await StateAsync(home, id, "running");
        command.Signal(Kill);
        await command.EndAsync(Cancel);
        var run = await FinalAsync(home, id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("done\n", await home.GitAsync(Cancel, "show", "b:done.txt"));
        Assert.False(File.Exists(gate));
    }

    [Fact]
    public async Task F01_Kill_9_of_the_host_too_and_the_next_command_adopts_the_run_with_its_model_calls()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await DetachAsync(
            home, "bash touch started; sleep 3\n---\nbash echo after > after.txt\n---\ntext All done.", "--branch",
            "b");
        await WaitForFileAsync(home, id, "started");
        KillHost(home, id);

        // Long enough that the CLI meets a gateway that is not there.
        await Eventually.TrueAsync(
            () => Journal(home, id).Contains("tool_result", StringComparison.Ordinal),
            "a tool result",
            BerthHome.Patience);
        await home.BerthAsync(Cancel, "ps");
        var run = await FinalAsync(home, id);
        var raw = await home.BerthAsync(Cancel, "logs", id, "--raw");

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("All done.", run.GetProperty("result").GetString());
        Assert.Equal("after\n", await home.GitAsync(Cancel, "show", "b:after.txt"));
        AssertNumberedWithoutGaps(home, id);
        Assert.Single(raw.Output.Split('\n'), line => line.Contains("\"type\":\"result\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(60)]
    [InlineData(120)]
    [InlineData(250)]
    [InlineData(500)]
    [InlineData(900)]
    [InlineData(1400)]
    public async Task F02_Kill_9_of_the_host_at_any_moment_loses_no_run(int milliseconds)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await DetachAsync(home, "bash echo 1 > one.txt\n---\ntext Done.", "--branch", "b");
        await Task.Delay(milliseconds, Cancel);
        KillHost(home, id);
        await home.BerthAsync(Cancel, "ps");
        var run = await FinalAsync(home, id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("1\n", await home.GitAsync(Cancel, "show", "b:one.txt"));
        AssertNumberedWithoutGaps(home, id);
    }

    [Fact]
    public async Task F03_Kill_9_of_the_supervisor_and_the_run_is_lost_with_transcript_and_workspace_kept()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await DetachAsync(home, "bash echo half > half.txt\n---\nhang");
        await WaitForFileAsync(home, id, "half.txt");
        var handle = JsonDocument.Parse(
            await File.ReadAllTextAsync(RunFile(home, id, "handle.json"), Cancel)).RootElement;
        new ProcessIdentity(
            handle.GetProperty("supervisor").GetProperty("pid").GetInt32(),
            handle.GetProperty("supervisor").GetProperty("startTicks").GetInt64(),
            handle.GetProperty("supervisor").GetProperty("bootId").GetString()!).Signal(Kill);
        var run = await FinalAsync(home, id);
        var shown = await home.BerthAsync(Cancel, "run", "review", BerthHome.Prompt("text Still working."), "--json");

        Assert.Equal("lost", run.GetProperty("state").GetString());
        Assert.True(File.Exists(Path.Combine(run.GetProperty("workspacePath").GetString()!, "half.txt")));
        Assert.Contains("half.txt", (await home.BerthAsync(Cancel, "logs", id)).Output, StringComparison.Ordinal);
        Assert.Empty(Leftovers(id));
        Assert.Equal(0, shown.ExitCode);
    }

    [Fact]
    public async Task Twenty_runs_at_once_on_one_home_and_one_repository_all_end_well()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var runs = await Task.WhenAll(Enumerable.Range(0, 20).Select(i =>
            home.RunAsync($"bash echo {i} > file{i}.txt\n---\ntext Done {i}.", Cancel, "--branch", $"b{i}")));

        Assert.All(runs, run => Assert.True(run.Command.ExitCode == 0, run.Command.Error));
        for (var i = 0; i < runs.Length; i++)
        {
            Assert.Equal($"{i}\n", await home.GitAsync(Cancel, "show", $"b{i}:file{i}.txt"));
        }

        await home.GitAsync(Cancel, "fsck", "--strict");
    }

    private static async Task<string> DetachAsync(BerthHome home, string script, params IReadOnlyList<string> options)
    {
        var command = await home.BerthAsync(
            Cancel,
            ["run", "implement", BerthHome.Prompt(script), "--detach", .. options]);
        Assert.True(command.ExitCode == 0, command.Error);
        return command.Output.Trim();
    }

    // From the list, not from the folder of the run directories: a run's directory is there before its record.
    private static Task<string> OnlyRunAsync(BerthHome home) => Eventually.SomeAsync(
        async () => (await home.BerthAsync(Cancel, "ps", "--json")).Json.EnumerateArray()
            .Select(run => run.GetProperty("id").GetString()).SingleOrDefault(),
        "a run",
        BerthHome.Patience);

    private static Task WaitForFileAsync(BerthHome home, string id, string name) =>
        Eventually.TrueAsync(
            () => File.Exists(RunFile(home, id, Path.Combine("workspace", name))),
            $"the file {name}",
            BerthHome.Patience);

    private static async Task<JsonElement> StateAsync(BerthHome home, string id, params IReadOnlyList<string> states) =>
        await WhenAsync(home, id, run => states.Contains(run.GetProperty("state").GetString(), StringComparer.Ordinal));

    private static Task<JsonElement> FinalAsync(BerthHome home, string id) => WhenAsync(
        home, id,
        run => !string.Equals(
            run.GetProperty("cleanup").GetProperty("state").GetString(),
            "pending",
            StringComparison.Ordinal));

    private static async Task<JsonElement> WhenAsync(BerthHome home, string id, Func<JsonElement, bool> condition)
    {
        JsonElement run = default;
        var look = async () =>
        {
            run = (await home.BerthAsync(Cancel, "show", id, "--json")).Json;
            return condition(run) ? run : (object?)null;
        };
        await Eventually.SomeAsync(look, $"the run {id} gets there", BerthHome.Patience);
        return run;
    }

    private static void KillHost(BerthHome home, string id)
    {
        var arguments = $"host\0{id}\0";
        foreach (var process in Directory.EnumerateDirectories(
            "/proc").Where(path => Path.GetFileName(path).All(char.IsAsciiDigit)))
        {
            if (Read(Path.Combine(process, "cmdline")).EndsWith(arguments, StringComparison.Ordinal)
                && ProcessIdentity.Of(
                    int.Parse(
                        Path.GetFileName(process),
                        System.Globalization.CultureInfo.InvariantCulture)) is { } host)
            {
                host.Signal(Kill);
            }
        }

        Assert.True(
            SpinWait.SpinUntil(() => !LockFile.IsHeld(RunFile(home, id, "host.lock")), TimeSpan.FromSeconds(10)));
    }

    // Every process of a run has its id in its environment, but for those that threw it away.
    private static List<string> Leftovers(string id) =>
        [.. Directory.EnumerateDirectories("/proc")
            .Where(path => Path.GetFileName(path).All(char.IsAsciiDigit)
                && Read(Path.Combine(path, "environ")).Contains(id, StringComparison.Ordinal))
            .Select(path => Read(Path.Combine(path, "cmdline")))];

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return string.Empty;
        }
    }

    private static void AssertNumberedWithoutGaps(BerthHome home, string id)
    {
        var numbers = Journal(home, id).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("seq").GetInt64()).ToList();
        Assert.Equal(Enumerable.Range(1, numbers.Count).Select(number => (long)number), numbers);
    }

    private static string Journal(BerthHome home, string id) => Read(RunFile(home, id, "events.ndjson"));

    private static string RunFile(BerthHome home, string id, string name) => Path.Combine(home.Home, "runs", id, name);
}
