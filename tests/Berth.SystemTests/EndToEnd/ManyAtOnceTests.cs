using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Many commands at once on one home.</summary>
[Collection(Alone.Name)]
public sealed class ManyAtOnceTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

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

    [Fact]
    public async Task F09_Fifty_cancels_at_once_give_one_outcome_and_each_is_told_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WriteHalf}\n---\nhang", "--branch", "b");
        await home.WaitForFileAsync(id, "half.txt");
        var cancels = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => home.BerthAsync(Cancel, "cancel", id)));
        var run = await home.FinalAsync(id);
        var again = await home.BerthAsync(Cancel, "cancel", id, "--json");

        Assert.All(cancels, cancel => Assert.True(cancel.ExitCode == 0, cancel.Error));
        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        Assert.Equal(run.GetRawText(), again.Json.GetRawText());
        Assert.Equal("half\n", await home.GitAsync(Cancel, "show", "b:half.txt"));
        Assert.Single(
            home.Journal(id).Split('\n'),
            line => line.Contains("\"type\":\"run_finished\"", StringComparison.Ordinal));
        Assert.Single(
            home.Journal(id).Split('\n'),
            line => line.Contains("\"stage\":\"interrupt\"", StringComparison.Ordinal));
        await HomeRuns.NothingLeftAsync(id);
    }
}
