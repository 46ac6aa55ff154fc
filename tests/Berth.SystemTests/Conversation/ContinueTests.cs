using System.Globalization;
using System.Text.Json;
using Berth.ScriptedModel;
using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Conversation;

/// <summary>Runs that go on with the conversation of another one, typed as a user types them.</summary>
public sealed class ContinueTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_conversation_goes_on_from_local_to_Docker_and_back_and_after_cleaning_up()
    {
        await using var home = await DockerHome.CreateAsync();
        var first = await RunAsync(home, "local", "usage in=1000 out=100\nbash echo one > one.txt\n---\nusage in=2000 "
            + "out=200\ntext The word is heron.");
        var second = await RunAsync(home, "docker", "usage in=400 out=40\nbash cat one.txt > two.txt\n---\nusage "
            + "in=500 out=50\ntext In Docker.", "--continue", IdOf(first));
        await home.BerthAsync(Cancel, "cleanup", "--all");
        var third = await RunAsync(
            home, "local", "usage in=7 out=3\nbash cat two.txt > three.txt\n---\nusage in=1 out=1\ntext Back again.",
            "--continue", IdOf(second), "--branch", "third");

        Assert.Equal("one\n", await home.GitAsync(Cancel, "show", "third:three.txt"));
        Assert.Equal(first.GetProperty("headCommit").GetString(), second.GetProperty("baseCommit").GetString());
        Assert.Equal(IdOf(second), third.GetProperty("continuedFrom").GetString());
        Assert.NotEqual(SessionOf(first), SessionOf(second));

        // Each run has what the model served it, and nothing of those before.
        Assert.Equal((3000, 300, 2), CountsOf(first));
        Assert.Equal((900, 90, 2), CountsOf(second));
        Assert.Equal((8, 4, 2), CountsOf(third));
        Assert.True(third.GetProperty("costUsd").GetDecimal() < second.GetProperty("costUsd").GetDecimal());
        var told = home.Model.Requests.Last(IsAnswered);
        Assert.Contains("The word is heron.", told.Text(), StringComparison.Ordinal);
        Assert.Contains("In Docker.", told.Text(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_conversation_goes_on_after_a_limit_a_cancel_a_timeout_and_a_kill()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var (limited, first) = await home.RunAsync(
            "bash echo 1 > 1.txt\n---\nbash echo never > 2.txt\n---\ntext Never.", Cancel, "--max-turns", "1");
        var cancelled = await home.DetachAsync(
            $"bash {HomeRuns.WaitForGo}\n---\ntext Never.", "--continue", IdOf(first));
        await home.WaitForFileAsync(cancelled, "started");
        await home.BerthAsync(Cancel, "cancel", cancelled);
        await home.FinalAsync(cancelled);
        var (_, late) = await home.RunAsync(
            "bash sleep 60\n---\ntext Never.", Cancel, "--continue", cancelled, "--timeout", "5s");
        var killed = await home.DetachAsync(
            "bash touch again; sleep 600\n---\ntext Never.", "--continue", IdOf(late));
        await home.WaitForFileAsync(killed, "again");
        home.SupervisorOf(killed)!.Signal(HomeRuns.Kill);
        var lost = await home.FinalAsync(killed);
        var (command, last) = await home.RunAsync(
            "bash cat 1.txt > last.txt\n---\ntext Done.", Cancel, "--continue", killed, "--branch", "last");

        Assert.Equal(3, limited.ExitCode);
        Assert.Equal("timed_out", late.GetProperty("state").GetString());
        Assert.Equal("lost", lost.GetProperty("state").GetString());
        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Equal("1\n", await home.GitAsync(Cancel, "show", "last:last.txt"));
        Assert.Equal("succeeded", last.GetProperty("state").GetString());
    }

    [Fact]
    public async Task Twenty_continuations_are_counted_once_each_and_one_run_can_be_continued_twice()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var runs = new List<JsonElement> { await RunAsync(home, "local", Script(0)) };
        for (var i = 1; i <= 20; i++)
        {
            runs.Add(await RunAsync(home, "local", Script(i), "--continue", IdOf(runs[^1])));
        }

        var fork = await RunAsync(home, "local", "text A fork.", "--continue", IdOf(runs[3]));

        Assert.All(runs.Index(), run => Assert.Equal((100 + run.Index, 10, 1), CountsOf(run.Item)));

        // Dollars a million tokens of the model that the script plays, as the CLI and the gateway each reckon it.
        Assert.All(runs.Index(), run => Assert.Equal(
            (((100 + run.Index) * 4m) + (10 * 20m)) / 1_000_000m, run.Item.GetProperty("costUsd").GetDecimal()));
        Assert.All(runs, run => Assert.Equal(
            run.GetProperty("costUsd").GetDecimal(),
            run.GetProperty("gateway").GetProperty("costUsd").GetDecimal()));
        Assert.Equal("succeeded", fork.GetProperty("state").GetString());
        var last = home.Model.Requests.Last(IsAnswered);
        Assert.Contains("Answer 3.", last.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain("Answer 4.", last.Text(), StringComparison.Ordinal);

        static string Script(int i) =>
            string.Create(CultureInfo.InvariantCulture, $"usage in={100 + i} out=10\ntext Answer {i}.");
    }

    [Fact]
    public async Task What_the_agent_was_told_in_secret_is_not_kept_and_links_are_not_followed()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var secret = Path.Combine(home.Folder, "secret.txt");
        await File.WriteAllTextAsync(secret, "{\"type\":\"host secret\"}\n", Cancel);
        var (_, told) = await home.RunAsync(
            "bash echo $API_PASSWORD\n---\ntext Done.", Cancel, "--env", "API_PASSWORD=correct-horse-battery");
        var (_, linked) = await home.RunAsync(
            $"bash f=$(ls ~/.claude/projects/*/*.jsonl); rm $f; ln -s {secret} $f\n---\ntext Done.",
            Cancel, "--sandbox", "none");

        var kept = await File.ReadAllTextAsync(home.RunFile(IdOf(told), "conversation.jsonl"), Cancel);
        Assert.Contains("***", kept, StringComparison.Ordinal);
        Assert.DoesNotContain("correct-horse-battery", kept, StringComparison.Ordinal);
        var file = home.RunFile(IdOf(linked), "conversation.jsonl");
        Assert.False(File.Exists(file) && (await File.ReadAllTextAsync(file, Cancel)).Contains("host secret"));
        Assert.False(File.Exists(home.RunFile(IdOf(told), "host-secrets.json")));
    }

    [Fact]
    public async Task What_cannot_go_on_is_refused()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var working = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(working, "started");
        var early = await home.BerthAsync(Cancel, "run", "implement", "Go on.", "--continue", working);
        home.LetGo(working);
        await home.FinalAsync(working);
        var nobody = await home.BerthAsync(Cancel, "run", "implement", "Go on.", "--continue", "zzzzzzzz");
        File.Delete(home.RunFile(working, "conversation.jsonl"));
        var gone = await home.BerthAsync(Cancel, "run", "implement", "Go on.", "--continue", working);

        Assert.All(new[] { early, nobody, gone }, command => Assert.Equal(2, command.ExitCode));
        Assert.Contains("run_not_final", early.Error, StringComparison.Ordinal);
        Assert.Contains("run_not_found", nobody.Error, StringComparison.Ordinal);
        Assert.Contains("conversation_gone", gone.Error, StringComparison.Ordinal);
    }

    private static async Task<JsonElement> RunAsync(
        BerthHome home, string mode, string script, params IReadOnlyList<string> options)
    {
        var (command, run) = await home.RunAsync(script, Cancel, ["--mode", mode, .. options]);
        Assert.True(command.ExitCode == 0, command.Error);
        return run;
    }

    private static bool IsAnswered(ModelRequest request) =>
        request.Path.StartsWith("/v1/messages?", StringComparison.Ordinal);

    private static string IdOf(JsonElement run) => run.GetProperty("id").GetString()!;

    private static string SessionOf(JsonElement run) => run.GetProperty("sessionId").GetString()!;

    private static (long Input, long Output, int Turns) CountsOf(JsonElement run) => (
        run.GetProperty("tokens").GetProperty("input").GetInt64(),
        run.GetProperty("tokens").GetProperty("output").GetInt64(), run.GetProperty("turns").GetInt32());
}
