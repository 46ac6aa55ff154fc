using System.Text.Json;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>Fault 67: runs are found again, by what they are and by what they were asked.</summary>
public sealed class ListingTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F67_Runs_are_listed_by_state_workflow_and_label_and_say_what_they_were_asked()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var prompt = Path.Combine(home.Repository, "task.md");
        await File.WriteAllTextAsync(
            prompt, BerthHome.Prompt("text Fixed.", "Mend the login with hunter2-secret\nand more"), Cancel);
        var done = await home.BerthAsync(
            Cancel, "run", "fix", "-f", "task.md", "-q", "-e", "PASS=hunter2-secret", "-l", "team=shop", "--label",
            "tier=1");
        var hung = await home.BerthAsync(
            Cancel, "run", "implement", BerthHome.Prompt("hang", "Hang on."), "-d", "-l", "team=shop");
        Assert.True(done.ExitCode == 0 && hung.ExitCode == 0, done.Error + hung.Error);
        var all = (await home.BerthAsync(Cancel, "ps", "--json")).Json.EnumerateArray().ToList();
        var ids = all.ConvertAll(run => run.GetProperty("id").GetString()!);
        var mended = all[1];

        Assert.Equal(["Hang on.", "Mend the login with ***"], all.Select(Title));
        Assert.Contains("and more", mended.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", mended.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("1", mended.GetProperty("labels").GetProperty("tier").GetString());
        Assert.Equal(ids, await IdsAsync(home));
        Assert.Equal([ids[0]], await IdsAsync(home, "--state", "open"));
        Assert.Equal([ids[1]], await IdsAsync(home, "-s", "succeeded,failed"));
        Assert.Equal([ids[1]], await IdsAsync(home, "--workflow", "fix"));
        Assert.Equal(ids, await IdsAsync(home, "--label", "team=shop"));
        Assert.Equal([ids[1]], await IdsAsync(home, "-l", "team=shop", "-l", "tier=1", "--all"));
        Assert.Equal([ids[0]], await IdsAsync(home, "-n", "1"));
        Assert.Empty(await IdsAsync(home, "-l", "team=other"));

        var table = await home.BerthAsync(Cancel, "ps");
        var format = await home.BerthAsync(Cancel, "ps", "-w", "fix", "--format", "{{.state}} {{.labels.team}}");
        var shown = await home.BerthAsync(Cancel, "show", ids[1]);
        Assert.Contains("Mend the login", table.Output, StringComparison.Ordinal);
        Assert.Equal("succeeded shop\n", format.Output);
        Assert.Contains("and more", shown.Output, StringComparison.Ordinal);
        Assert.Contains("team=shop", shown.Output, StringComparison.Ordinal);

        // Of an id with a slip in it the right one is named; and a shell that asks is told the ids.
        var slip = await home.BerthAsync(Cancel, "show", $"{ids[1][^8..^1]}{(ids[1][^1] == 'a' ? 'b' : 'a')}");
        var completed = await home.BerthAsync(Cancel, "complete", "--", "cancel", "");
        Assert.Equal(2, slip.ExitCode);
        Assert.Contains($"Did you mean {ids[1][^8..]}?", slip.Error, StringComparison.Ordinal);
        Assert.StartsWith($"{ids[0][^8..]}\t", completed.Output, StringComparison.Ordinal);
        Assert.Equal(2, completed.Output.TrimEnd().Split('\n').Length);

        var tail = await home.BerthAsync(Cancel, "logs", ids[1], "--tail", "2");
        var whole = await home.BerthAsync(Cancel, "logs", ids[1]);
        Assert.Equal(whole.Output.TrimEnd().Split('\n')[^2..], tail.Output.TrimEnd().Split('\n'));
        var followed = home.Start(null, "logs", ids[0], "-f", "-n", "1");
        await home.BerthAsync(Cancel, "cancel", ids[0], "-f");
        Assert.Equal(0, (await followed.EndAsync(Cancel)).ExitCode);
    }

    private static string Title(JsonElement run) => run.GetProperty("title").GetString()!;

    private static async Task<string[]> IdsAsync(BerthHome home, params string[] filters)
    {
        var listed = await home.BerthAsync(Cancel, ["ps", "--quiet", .. filters]);
        Assert.True(listed.ExitCode == 0, listed.Error);
        return listed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
