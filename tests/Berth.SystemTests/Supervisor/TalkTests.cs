using System.Globalization;
using System.Text.Json;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>Messages, interrupts and decisions as the supervisor takes them, also where they race.</summary>
public sealed class TalkTests : IDisposable
{
    private readonly SupervisedFixture run = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => run.Dispose();

    [Fact]
    public async Task The_input_stays_open_until_the_last_message_has_had_its_turn()
    {
        run.StartFake("!say first\n!sleep 1");
        await run.WaitForAsync("assistant");
        var later = Message("m1", "!say second");
        Assert.True((await run.AskAsync(later)).Ok);

        // Asked again, as after a lost answer, it is no second message.
        Assert.True((await run.AskAsync(later)).Ok);
        Assert.Equal(ExitCause.Exited, (await run.EndAsync()).Cause);
        Assert.Equal(["first", "second"], run.Entries().Where(entry => SupervisedFixture.IsType(entry, "assistant"))
            .Select(entry => entry.Data.GetProperty("message").GetProperty("content")[0].GetProperty("text")
                .GetString()));
        var sent = run.Entries().Single(entry => SupervisedFixture.IsType(entry, BerthEvents.MessageSent));
        Assert.Equal(("m1", "!say second", "somebody"), (
            sent.Data.GetProperty("id").GetString(), sent.Data.GetProperty("text").GetString(),
            sent.Data.GetProperty("by").GetString()));
    }

    [Fact]
    public async Task Messages_are_bounded_and_need_an_id()
    {
        run.StartFake("!say first\n!hang");
        await run.WaitForAsync("assistant");
        for (var i = 0; i < 16; i++)
        {
            Assert.True((await run.AskAsync(Message($"m{i}", "more"))).Ok);
        }

        Assert.Equal("messages_too_many", (await run.AskAsync(Message("m16", "more"))).Code);
        Assert.False((await run.AskAsync(new ControlRequest { Verb = ControlVerb.Message })).Ok);
        Assert.True((await run.CancelAsync(force: true)).Ok);
        _ = await run.EndAsync();
    }

    [Fact]
    public async Task A_run_whose_turn_was_interrupted_ends_where_no_message_comes()
    {
        run.Limits = run.Limits with { InterruptHold = TimeSpan.FromSeconds(1) };
        run.StartFake("!ignore interrupt\n!say first\n!sleep 1");
        await run.WaitForAsync("assistant");
        Assert.True((await run.AskAsync(new ControlRequest { Verb = ControlVerb.Interrupt, By = "somebody" })).Ok);
        Assert.Equal(ExitCause.Exited, (await run.EndAsync()).Cause);
        Assert.True(run.Has(BerthEvents.TurnInterrupted) && run.Has("result") && run.Has(BerthEvents.TalkEnded));
    }

    [Fact]
    public async Task Where_nobody_is_asked_there_is_nothing_to_decide()
    {
        // What looks like a request is a line that somebody else wrote.
        run.StartFake("!print {\"type\":\"control_request\",\"request_id\":\"x\",\"request\":{\"subtype\":"
            + "\"can_use_tool\",\"tool_name\":\"Bash\"}}\n!say first\n!hang");
        await run.WaitForAsync("assistant");
        Assert.Equal("approval_not_found", (await run.AskAsync(Decide(1, isAllowed: true))).Code);
        Assert.False(run.Has(BerthEvents.ApprovalRequested));
        Assert.True((await run.CancelAsync(force: true)).Ok);
        _ = await run.EndAsync();
    }

    [Fact]
    public async Task Fifty_calls_are_each_decided_once_while_answers_withdrawals_and_the_time_limit_race()
    {
        run.Limits = run.Limits with { ApprovalTimeout = TimeSpan.FromSeconds(2) };
        run.StartFake("!ask 50 5");
        await run.WaitForAsync(BerthEvents.ApprovalRequested);

        // Each call has two who answer, one of them yes; some of the last calls are left to the time limit.
        var answers = await Task.WhenAll(
            from call in Enumerable.Range(1, 45)
            from answer in Enumerable.Range(0, 2)
            select Task.Run(async () => (Call: call, IsAllowed: answer == 0, Reply: await AskKnownAsync(
                Decide(call, answer == 0))), Cancel));
        Assert.Equal(ExitCause.Exited, (await run.EndAsync()).Cause);

        var decided = run.Entries().Where(entry => SupervisedFixture.IsType(entry, BerthEvents.ApprovalDecided))
            .ToDictionary(entry => entry.Data.GetProperty("call").GetInt32(), entry => entry.Data);
        Assert.Equal(Enumerable.Range(1, 50), decided.Keys.Order());
        foreach (var (call, decision) in decided)
        {
            // Whoever was told yes is the one who decided it.
            var taken = answers.Where(answer => answer.Call == call && answer.Reply.Ok).ToList();
            var cause = decision.GetProperty("cause").GetString();
            Assert.Equal(cause is "person" ? 1 : 0, taken.Count);
            if (taken is [var one])
            {
                Assert.Equal(one.IsAllowed ? "allow" : "deny", decision.GetProperty("decision").GetString());
            }
        }

        // And the agent has one answer for each that was not withdrawn, the same.
        var heard = run.Entries().Where(entry => SupervisedFixture.IsType(entry, "fake"))
            .Select(entry => (
                Call: int.Parse(entry.Data.GetProperty("request").GetString()![4..], CultureInfo.InvariantCulture),
                Said: entry.Data.GetProperty("behaviour").GetString()))
            .ToList();
        Assert.Equal(heard.Count, heard.Select(answer => answer.Call).Distinct().Count());
        Assert.All(heard, answer => Assert.Equal(
            answer.Said, decided[answer.Call].GetProperty("decision").GetString()));
        Assert.Equal(
            decided.Where(call => call.Value.GetProperty("cause").GetString() is "person" or "timeout")
                .Select(call => call.Key).Order(),
            heard.Select(answer => answer.Call).Order());
        Assert.Contains(decided.Values, decision => decision.GetProperty("cause").GetString() is "timeout");
    }

    [Fact]
    public async Task What_waits_when_the_run_is_cancelled_is_decided_by_that()
    {
        run.Limits = run.Limits with { ApprovalTimeout = TimeSpan.FromMinutes(10) };
        run.StartFake("!ask 3");
        await Eventually.TrueAsync(
            () => run.Entries().Count(entry => SupervisedFixture.IsType(entry, BerthEvents.ApprovalRequested)) == 3,
            "three requests", SupervisedFixture.Bound);
        Assert.True((await run.AskAsync(Decide(2, isAllowed: false))).Ok);
        Assert.True((await run.CancelAsync()).Ok);
        Assert.Equal(ExitCause.Cancelled, (await run.EndAsync()).Cause);
        Assert.Equal(["person", "ended", "ended"], run.Entries()
            .Where(entry => SupervisedFixture.IsType(entry, BerthEvents.ApprovalDecided))
            .Select(entry => entry.Data.GetProperty("cause").GetString()));
    }

    [Fact]
    public async Task A_call_that_is_too_large_to_be_shown_is_denied()
    {
        run.Limits = run.Limits with { ApprovalTimeout = TimeSpan.FromMinutes(10), LineBytes = 1024 };
        var large = new string('x', 5000);
        run.StartFake("!print {\"type\":\"control_request\",\"request_id\":\"big\",\"request\":{\"subtype\":"
            + "\"can_use_tool\",\"tool_name\":\"Write\",\"input\":{\"content\":\"" + large + "\"}}}\n!sleep 1");
        Assert.Equal(ExitCause.Exited, (await run.EndAsync()).Cause);
        var answer = run.Entries().Single(entry => SupervisedFixture.IsType(entry, "fake"));
        Assert.Equal(("big", "deny"), (
            answer.Data.GetProperty("request").GetString(), answer.Data.GetProperty("behaviour").GetString()));
        Assert.Equal("too_large", run.Entries()
            .Single(entry => SupervisedFixture.IsType(entry, BerthEvents.ApprovalDecided))
            .Data.GetProperty("cause").GetString());
    }

    // Until the supervisor knows the call: the agent asks for fifty, one after the other.
    private async Task<ControlReply> AskKnownAsync(ControlRequest request)
    {
        ControlReply? reply = null;
        await Eventually.TrueAsync(
            async () => (reply = await run.AskAsync(request)) is not { Code: "approval_not_found" }, "the call",
            SupervisedFixture.Bound);
        return reply!;
    }

    private static ControlRequest Decide(int call, bool isAllowed) => new()
    {
        Verb = ControlVerb.Decide,
        Answer = new ApprovalAnswer(call, isAllowed),
        By = "somebody",
    };

    private static ControlRequest Message(string id, string text) => new()
    {
        Verb = ControlVerb.Message,
        By = "somebody",
        Data = JsonSerializer.SerializeToElement(new
        {
            type = "user",
            uuid = id,
            message = new { role = "user", content = text },
        }),
    };
}
