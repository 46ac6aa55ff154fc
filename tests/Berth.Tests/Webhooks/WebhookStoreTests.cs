using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Engine.Webhooks;
using Berth.Tests.Runs;
using Xunit;

namespace Berth.Tests.Webhooks;

public sealed class WebhookStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-webhooks-").FullName;
    private readonly RunStore runs;
    private readonly WebhookStore store;

    public WebhookStoreTests()
    {
        var database = Database.Open(Path.Combine(folder, "berth.db"));
        runs = new RunStore(database, TimeProvider.System);
        store = new WebhookStore(database, TimeProvider.System);
    }

    [Fact]
    public void Each_step_of_a_run_is_found_once_it_is_true_and_until_it_is_noted()
    {
        store.Settle(["a"]);
        var id = Insert();
        var accepted = Only();
        Assert.Equal([WebhookEvents.Accepted], Types(accepted));
        Assert.True(store.Add(accepted, WebhookEvents.LevelOf(accepted), []));
        Assert.Empty(store.ListUntold(10));

        runs.Claim(id, 10);
        var started = Only();
        Assert.Equal([WebhookEvents.Started], Types(started));
        Assert.True(store.Add(started, WebhookEvents.LevelOf(started), []));
        Assert.Empty(store.ListUntold(10));

        runs.Finish(id, new RunOutcome { State = RunState.Cancelled });
        var finished = Only();
        Assert.Equal([WebhookEvents.Finished], Types(finished));
        Assert.True(store.Add(finished, WebhookEvents.LevelOf(finished), []));
        Assert.Empty(store.ListUntold(10));
    }

    [Fact]
    public void Of_a_run_that_was_over_before_anybody_looked_all_is_told()
    {
        store.Settle(["a"]);
        var id = Insert();
        runs.Claim(id, 10);
        runs.Finish(id, new RunOutcome { State = RunState.Cancelled });

        Assert.Equal(WebhookEvents.All, Types(Only()));
        Assert.Equal(UntoldRun.Everything, WebhookEvents.LevelOf(Only()));
    }

    [Fact]
    public void Of_two_that_note_or_claim_the_same_one_has_it()
    {
        store.Settle(["a"]);
        Insert();
        var run = Only();
        var message = Message(run, "a");

        Assert.True(store.Add(run, 1, [message]));
        Assert.False(store.Add(run, 1, [message with { Id = "another" }]));
        var due = Assert.Single(store.ListDue("a", 10));
        Assert.Equal(message, due);
        var until = TimeProvider.System.GetUtcNow().AddMinutes(1);
        Assert.True(store.Claim(due, until));
        Assert.False(store.Claim(due, until));
        Assert.Empty(store.ListDue("a", 10));
        Assert.Equal(1, store.CountWaiting()["a"]);
        store.Postpone(due, TimeProvider.System.GetUtcNow().AddSeconds(-1));
        Assert.Equal(1, Assert.Single(store.ListDue("a", 10)).Tries);
        store.Remove(due);
        Assert.Empty(store.CountWaiting());
    }

    [Fact]
    public void The_first_receiver_gets_no_history_and_one_that_goes_leaves_nothing()
    {
        var id = Insert();
        runs.Finish(id, new RunOutcome { State = RunState.Cancelled });

        var first = store.Settle(["a"]);
        Assert.Empty(store.ListUntold(10));
        Insert();
        var run = Only();
        store.Add(run, 1, [Message(run, "a")]);
        var both = store.Settle(["a", "b"]);
        Assert.Equal(first["a"], both["a"]);
        Assert.True(both["b"] >= both["a"]);
        Assert.Equal(["b"], store.Settle(["b"]).Keys);
        Assert.Empty(store.CountWaiting());
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Insert()
    {
        var id = RunId.New(TimeProvider.System);
        runs.Insert(id, Plans.Any());
        return id;
    }

    private UntoldRun Only() => Assert.Single(store.ListUntold(10));

    private static IEnumerable<string> Types(UntoldRun run) => WebhookEvents.NewOf(run).Select(found => found.Type);

    private static WebhookMessage Message(UntoldRun run, string receiver) => new(
        $"run_accepted_{run.Id}", receiver, run.Id, WebhookEvents.Accepted, "{}", run.CreatedAt);
}
