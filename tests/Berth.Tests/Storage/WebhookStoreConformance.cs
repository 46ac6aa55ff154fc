using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Engine.Webhooks;
using Berth.Tests.Runs;
using Xunit;

namespace Berth.Tests.Storage;

/// <summary>What the outbox of webhooks promises, in whichever database it is.</summary>
public abstract class WebhookStoreConformance
{
    private RunStore? openedRuns;
    private WebhookStore? opened;

    private RunStore Runs => openedRuns ??= new RunStore(Open(), "here", TimeProvider.System);

    private WebhookStore Store => opened ??= new WebhookStore(Open(), TimeProvider.System);

    /// <summary>The database of this test.</summary>
    private protected abstract Database Open();

    [Fact]
    public void Each_step_of_a_run_is_found_once_it_is_true_and_until_it_is_noted()
    {
        Store.Settle(["a"]);
        var id = Insert();
        var accepted = Only();
        Assert.Equal([WebhookEvents.Accepted], Types(accepted));
        Assert.True(Store.Add(accepted, WebhookEvents.LevelOf(accepted), []));
        Assert.Empty(Store.ListUntold(10));

        Runs.Claim(id, 10);
        var started = Only();
        Assert.Equal([WebhookEvents.Started], Types(started));
        Assert.True(Store.Add(started, WebhookEvents.LevelOf(started), []));
        Assert.Empty(Store.ListUntold(10));

        Runs.Finish(id, new RunOutcome { State = RunState.Cancelled });
        var finished = Only();
        Assert.Equal([WebhookEvents.Finished], Types(finished));
        Assert.True(Store.Add(finished, WebhookEvents.LevelOf(finished), []));
        Assert.Empty(Store.ListUntold(10));
    }

    [Fact]
    public void Of_a_run_that_was_over_before_anybody_looked_all_is_told()
    {
        Store.Settle(["a"]);
        var id = Insert();
        Runs.Claim(id, 10);
        Runs.Finish(id, new RunOutcome { State = RunState.Cancelled });

        Assert.Equal(WebhookEvents.All, Types(Only()));
        Assert.Equal(UntoldRun.Everything, WebhookEvents.LevelOf(Only()));
    }

    [Fact]
    public void Of_two_that_note_or_claim_the_same_one_has_it()
    {
        Store.Settle(["a"]);
        Insert();
        var run = Only();
        var message = Message(run, "a");

        Assert.True(Store.Add(run, 1, [message]));
        Assert.False(Store.Add(run, 1, [message with { Id = "another" }]));
        var due = Assert.Single(Store.ListDue("a", 10));
        Assert.Equal(message, due);
        var until = TimeProvider.System.GetUtcNow().AddMinutes(1);
        Assert.True(Store.Claim(due, until));
        Assert.False(Store.Claim(due, until));
        Assert.Empty(Store.ListDue("a", 10));
        Assert.Equal(1, Store.CountWaiting()["a"]);
        Store.Postpone(due, TimeProvider.System.GetUtcNow().AddSeconds(-1));
        Assert.Equal(1, Assert.Single(Store.ListDue("a", 10)).Tries);
        Store.Remove(due);
        Assert.Empty(Store.CountWaiting());
    }

    [Fact]
    public void The_first_receiver_gets_no_history_and_one_that_goes_leaves_nothing()
    {
        var id = Insert();
        Runs.Finish(id, new RunOutcome { State = RunState.Cancelled });

        var first = Store.Settle(["a"]);
        Assert.Empty(Store.ListUntold(10));
        Insert();
        var run = Only();
        Store.Add(run, 1, [Message(run, "a")]);
        var both = Store.Settle(["a", "b"]);
        Assert.Equal(first["a"], both["a"]);
        Assert.True(both["b"] >= both["a"]);
        Assert.Equal(["b"], Store.Settle(["b"]).Keys);
        Assert.Empty(Store.CountWaiting());
    }

    private string Insert()
    {
        var id = RunId.New(TimeProvider.System);
        Runs.Insert(id, Plans.Any());
        return id;
    }

    private UntoldRun Only() => Assert.Single(Store.ListUntold(10));

    private static IEnumerable<string> Types(UntoldRun run) => WebhookEvents.NewOf(run).Select(found => found.Type);

    private static WebhookMessage Message(UntoldRun run, string receiver) => new(
        $"run_accepted_{run.Id}", receiver, run.Id, WebhookEvents.Accepted, "{}", run.CreatedAt);
}
