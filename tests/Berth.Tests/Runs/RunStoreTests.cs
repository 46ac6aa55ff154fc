using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("berth-store-").FullName;
    private readonly RunStore store;

    public RunStoreTests() => store = new RunStore(Database.Open(File("berth.db")), TimeProvider.System);

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_run_comes_back_as_it_was_inserted()
    {
        var plan = Plans.Any() with { MaxTurns = 7, MaxBudgetUsd = 1.25m, Notices = ["mind this"] };
        var inserted = store.Insert("a1", plan);
        var found = store.Find("a1")!;

        Assert.Equal(RunState.Queued, found.State);
        Assert.Equal(inserted.CreatedAt, found.CreatedAt);
        Assert.Equivalent(plan, found.Plan, strict: true);
        Assert.Equal(CleanupState.Pending, found.Cleanup);
        Assert.Null(found.Outcome);
    }

    [Fact]
    public void A_key_stands_for_one_run_of_its_owner_and_another_owner_may_use_it_too()
    {
        var ticket = new RunTicket(ViaServer: true, "ci") { IdempotencyKey = "k", RequestHash = "h" };
        store.Insert("a1", Plans.Any() with { Ticket = ticket });
        store.Insert("a2", Plans.Any() with { Ticket = ticket with { CreatedBy = "ada" } });

        Assert.Throws<RunStore.KeyTakenException>(() => store.Insert("a3", Plans.Any() with { Ticket = ticket }));
        Assert.Null(store.Find("a3"));
        var (run, hash) = store.FindByKey(ticket)!.Value;
        Assert.Equal(("a1", "h"), (run.Id, hash));
        Assert.Null(store.FindByKey(ticket with { IdempotencyKey = "other" }));
        Assert.Null(store.FindByKey(RunTicket.Own));
    }

    [Fact]
    public void No_more_wait_than_may_however_many_come_at_once()
    {
        var ticket = new RunTicket(ViaServer: true, "ci") { QueueLimit = 3, Priority = 1 };
        var refused = 0;
        Parallel.For(0, 12, i =>
        {
            try
            {
                store.Insert($"r{i}", Plans.Any() with { Ticket = ticket });
            }
            catch (FailureException full) when (full.Failure.Code is "queue_full")
            {
                Interlocked.Increment(ref refused);
            }
        });

        Assert.Equal(9, refused);
        Assert.Equal(3, store.ListWaiting(10).Count);
        Assert.All(store.ListWaiting(10), run => Assert.Equal(1, run.Priority));
    }

    [Fact]
    public void Runs_are_found_by_each_property_and_by_all_of_them()
    {
        var ticket = new RunTicket(ViaServer: true, "ci")
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "shop", ["it's"] = "\"1\"" },
        };
        store.Insert("a1", Plans.Any() with { Ticket = ticket });
        store.Insert("a2", Plans.Any() with { Workflow = "fix", Repository = "/b" });
        store.Insert("a3", Plans.Any() with { Mode = "docker" });
        store.Finish("a3", new RunOutcome { State = RunState.TimedOut });
        var team = KeyValuePair.Create("team", "shop");
        var quoted = KeyValuePair.Create("it's", "\"1\"");

        Assert.Equal(["a3", "a2", "a1"], Ids(new RunFilter()));
        Assert.Equal(["a1", "a2"], Ids(new RunFilter { OldestFirst = true, Limit = 2 }));
        Assert.Equal(["a3"], Ids(new RunFilter { OldestFirst = true, After = "a2" }));
        Assert.Equal(["a2", "a1"], Ids(new RunFilter { After = "a3" }));
        Assert.Equal(["a1"], Ids(new RunFilter { Labels = [team, quoted] }));
        Assert.Empty(Ids(new RunFilter { Labels = [team, KeyValuePair.Create("it's", "2")] }));
        Assert.Equal(["a2"], Ids(new RunFilter { Workflow = "fix", Repository = "/b", Mode = "local" }));
        Assert.Equal(["a3"], Ids(new RunFilter { States = [RunState.TimedOut, RunState.Lost] }));
        Assert.Empty(Ids(new RunFilter { Until = DateTimeOffset.UnixEpoch }));
        Assert.Equal(3, Ids(new RunFilter { Since = DateTimeOffset.UnixEpoch }).Count);
    }

    [Fact]
    public void Of_many_claims_at_once_no_more_succeed_than_there_are_places()
    {
        var ids = Enumerable.Range(0, 20).Select(i => $"r{i}").ToList();
        ids.ForEach(id => store.Insert(id, Plans.Any()));
        var claimed = 0;
        Parallel.ForEach(ids, id => Interlocked.Add(ref claimed, store.Claim(id, maxConcurrent: 3) ? 1 : 0));

        Assert.Equal(3, claimed);
    }

    private IReadOnlyList<string> Ids(RunFilter filter) => [.. store.List(filter).Select(run => run.Id)];

    [Fact]
    public void An_outcome_is_recorded_once_and_the_first_one_stays()
    {
        store.Insert("a1", Plans.Any());
        var results = new bool[8];
        Parallel.For(
            0,
            results.Length,
            i => results[i] = store.Finish("a1", new RunOutcome { State = RunState.Failed, Turns = i }));
        var first = store.Find("a1")!;

        Assert.Single(results, won => won);
        Assert.False(store.Finish("a1", new RunOutcome { State = RunState.Succeeded }));
        Assert.Equal(RunState.Failed, store.Find("a1")!.State);
        Assert.Equal(first.FinishedAt, store.Find("a1")!.FinishedAt);
    }

    [Fact]
    public void A_final_run_is_not_moved_claimed_or_cancelled()
    {
        store.Insert("a1", Plans.Any());
        store.Finish("a1", new RunOutcome { State = RunState.TimedOut });
        store.RequestCancel("a1", CancelLevel.Hard);

        Assert.False(store.Claim("a1", 10));
        Assert.False(store.Move("a1", RunState.Running, RunState.Capturing));
        Assert.Equal(CancelLevel.None, store.ReadCancel("a1"));
        Assert.Equal(RunState.TimedOut, store.Find("a1")!.State);
    }

    [Fact]
    public void A_hard_cancel_is_never_softened()
    {
        store.Insert("a1", Plans.Any());
        store.RequestCancel("a1", CancelLevel.Hard);
        store.RequestCancel("a1", CancelLevel.Soft);

        Assert.Equal(CancelLevel.Hard, store.ReadCancel("a1"));
    }

    [Fact]
    public void A_run_is_found_by_its_prefix_and_by_its_last_characters()
    {
        store.Insert("01aaaaaa", Plans.Any());
        store.Insert("01bbbbbb", Plans.Any());

        Assert.Equal("01aaaaaa", Assert.Single(store.FindByFragment("01a")).Id);
        Assert.Equal("01bbbbbb", Assert.Single(store.FindByFragment("bbb")).Id);
        Assert.Equal(2, store.FindByFragment("01").Count);
        Assert.Empty(store.FindByFragment("%"));
    }

    [Fact]
    public void Runs_are_open_until_they_are_final_and_cleaned_up()
    {
        store.Insert("a1", Plans.Any());
        store.Insert("a2", Plans.Any());
        store.Finish("a1", new RunOutcome { State = RunState.Succeeded });
        Assert.Equal(2, store.ListOpen().Count);
        store.SetCleanup("a1", CleanupState.Done);

        Assert.Equal("a2", Assert.Single(store.ListOpen()).Id);
    }

    [Fact]
    public void Progress_survives_a_round_trip()
    {
        store.Insert("a1", Plans.Any());
        var progress = new RunProgress
        {
            StartIntended = true,
            Phases = new PhaseTimes { Prepare = 12, Run = 3400 },
            Leaked = ["/some/where"],
            Gateway = new GatewayCounts(3, 1000, 20),
        };
        store.SaveProgress("a1", progress);

        Assert.Equivalent(progress, store.Find("a1")!.Progress, strict: true);
    }

    [Fact]
    public void A_database_of_a_newer_Berth_is_refused_and_left_alone()
    {
        using (var connection = new SqliteConnection($"Data Source={File("newer.db")}"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "pragma user_version = 999";
            command.ExecuteNonQuery();
        }

        var refused = Assert.Throws<FailureException>(() => Database.Open(File("newer.db")));
        Assert.Equal("database_newer", refused.Failure.Code);
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_with_its_path()
    {
        System.IO.File.WriteAllText(File("broken.db"), new string('x', 4096));
        var refused = Assert.Throws<FailureException>(() => Database.Open(File("broken.db")));

        Assert.Equal("database_unusable", refused.Failure.Code);
        Assert.Contains("broken.db", refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Many_processes_may_open_a_new_database_at_once()
    {
        Parallel.For(0, 8, _ => Database.Open(File("fresh.db")));
        var fresh = new RunStore(Database.Open(File("fresh.db")), TimeProvider.System);
        fresh.Insert("a1", Plans.Any());

        Assert.NotNull(fresh.Find("a1"));
    }

    private string File(string name) => Path.Combine(folder, name);
}
