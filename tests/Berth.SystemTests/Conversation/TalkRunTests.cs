using Berth.SystemTests.EndToEnd;
using Xunit;

namespace Berth.SystemTests.Conversation;

/// <summary>Talking to a run of the real CLI, typed as a user types it.</summary>
public sealed class TalkRunTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("next", "The first is done.")]
    [InlineData("later", "The second is done.")]
    [InlineData("now", "The second is done.")]
    public async Task A_message_reaches_the_agent_with_its_priority_and_a_receipt(string priority, string last)
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext The first is done.");
        await home.WaitForFileAsync(id, "started");
        var message = BerthHome.Prompt("text The second is done.", "The word: heron.");
        var sent = await home.BerthAsync(Cancel, "send", id, message, "--priority", priority, "--json");
        home.LetGo(id);
        var run = await home.FinalAsync(id);

        Assert.True(sent.ExitCode == 0, sent.Error);
        Assert.Equal("queued", sent.Json.GetProperty("state").GetString());
        Assert.Equal("succeeded", run.GetProperty("state").GetString());

        // The scripted model plays on in a turn that a message is put into; it begins with what has one of its own.
        Assert.Equal(last, run.GetProperty("result").GetString());
        Assert.Contains(home.Model.Requests, request => request.Text().Contains("heron", StringComparison.Ordinal));
        var isToldFirst = home.Journal(id).Contains("The first is done.", StringComparison.Ordinal);
        Assert.Equal(priority is not "now", isToldFirst);
        var told = await home.BerthAsync(Cancel, "logs", id);
        Assert.Contains("The word: heron.", told.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_interrupt_ends_the_turn_and_the_run_goes_on_with_the_next_message()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync("bash touch started; sleep 600\n---\ntext Never.");
        await home.WaitForFileAsync(id, "started");
        var interrupt = await home.BerthAsync(Cancel, "interrupt", id, "--json");
        await home.StateAsync(id, "running");
        var sent = await home.BerthAsync(
            Cancel, "send", id, BerthHome.Prompt("bash echo after > after.txt\n---\ntext Done after all."));
        var run = await home.FinalAsync(id);

        Assert.True(interrupt.ExitCode == 0, interrupt.Error);
        Assert.True(interrupt.Json.GetProperty("isOver").GetBoolean());
        Assert.True(sent.ExitCode == 0, sent.Error);
        Assert.Equal("succeeded", run.GetProperty("state").GetString());
        Assert.Equal("Done after all.", run.GetProperty("result").GetString());
        Assert.Equal(
            "after\n", await home.GitAsync(Cancel, "show", $"{run.GetProperty("branch").GetString()}:after.txt"));
    }

    [Fact]
    public async Task A_run_that_was_interrupted_and_told_no_more_can_be_cancelled_and_says_so()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync("bash touch started; sleep 600\n---\ntext Never.");
        await home.WaitForFileAsync(id, "started");
        await home.BerthAsync(Cancel, "interrupt", id);
        await home.BerthAsync(Cancel, "cancel", id);
        var run = await home.FinalAsync(id);

        Assert.Equal("cancelled", run.GetProperty("state").GetString());
        await HomeRuns.NothingLeftAsync(id);
    }

    [Fact]
    public async Task Attached_one_sees_the_run_and_types_to_it()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext All done.");
        await home.WaitForFileAsync(id, "started");
        using var attached = home.Start("The word is heron.\n/nosuch\n/approve\n//cost is a word\n", "attach", id);
        await home.WaitForJournalAsync(id, "cost is a word");
        home.LetGo(id);
        var command = await attached.EndAsync(Cancel);

        Assert.True(command.ExitCode == 0, command.Error);
        Assert.Contains("The agent has the message.", command.Output, StringComparison.Ordinal);
        Assert.Contains("There is no /nosuch.", command.Output, StringComparison.Ordinal);
        Assert.Contains("No tool call of run", command.Output, StringComparison.Ordinal);
        Assert.Contains("All done.", command.Output, StringComparison.Ordinal);
        var told = string.Concat(home.Model.Requests.Select(request => request.Text()));
        Assert.Contains("The word is heron.", told, StringComparison.Ordinal);
        Assert.Contains("/cost is a word", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attached_one_leaves_with_detach_and_the_run_goes_on()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext All done.");
        await home.WaitForFileAsync(id, "started");
        var attached = await home.PipeAsync("/detach\n", Cancel, "attach", id);
        home.LetGo(id);

        Assert.Equal(0, attached.ExitCode);
        Assert.Contains("goes on without this command", attached.Error, StringComparison.Ordinal);
        Assert.Equal("succeeded", (await home.FinalAsync(id)).GetProperty("state").GetString());
    }

    [Fact]
    public async Task What_cannot_be_sent_is_refused_with_a_code()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(id, "started");
        var large = await home.PipeAsync(new string('x', 300_000), Cancel, "send", id, "-", "--json");
        var blank = await home.BerthAsync(Cancel, "send", id, " \t ", "--json");
        var nul = await home.PipeAsync("a\0b", Cancel, "send", id, "--json");
        var priority = await home.BerthAsync(Cancel, "send", id, "hello", "--priority", "soon", "--json");
        var call = await home.BerthAsync(Cancel, "approve", id, "1", "--json");
        home.LetGo(id);
        await home.FinalAsync(id);
        var over = await home.BerthAsync(Cancel, "send", id, "hello", "--json");
        var ended = await home.BerthAsync(Cancel, "interrupt", id, "--json");
        var decided = await home.BerthAsync(Cancel, "deny", id, "--json");

        Assert.Equal(
            [
                "message_too_large", "prompt_empty", "prompt_invalid", "usage", "approval_not_found", "run_over",
                "run_over", "run_over",
            ],
            new[] { large, blank, nul, priority, call, over, ended, decided }.Select(CodeOf));
        Assert.All(new[] { large, blank, nul, priority, call, over }, refused => Assert.Equal(2, refused.ExitCode));
    }

    private static string? CodeOf(CommandResult refused) =>
        refused.Json.GetProperty("error").GetProperty("code").GetString();
}
