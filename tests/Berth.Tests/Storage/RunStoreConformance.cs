using Berth.Engine.Budgets;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Protocol;
using Berth.Tests.Runs;
using Xunit;

namespace Berth.Tests.Storage;

/// <summary>What the table of runs promises, in whichever database it is.</summary>
public abstract class RunStoreConformance
{
    private const string Here = "here";
    private const string There = "there";
    private RunStore? opened;

    private RunStore Store => opened ??= new RunStore(Open(), Here, TimeProvider.System);

    /// <summary>The database of this test.</summary>
    private protected abstract Database Open();

    [Fact]
    public void A_run_comes_back_as_it_was_inserted()
    {
        var plan = Plans.Any() with
        {
            MaxTurns = 7,
            MaxBudgetUsd = 1.25m,
            MaxTokens = 1_000_000_000_000,
            SpentBefore = new(Tokens: 3, Usd: 0.000000001m),
            DayBudgets = [new(BudgetScope.Owner, "ada", new() { Usd = 1.5m, WallMs = 2 })],
            Notices = ["mind this"],
        };
        var inserted = Store.Insert("a1", plan);
        var found = Store.Find("a1")!;

        Assert.Equal(RunState.Queued, found.State);
        Assert.Equal(inserted.CreatedAt, found.CreatedAt);
        Assert.Equivalent(plan, found.Plan, strict: true);
        Assert.Equal(CleanupState.Pending, found.Cleanup);
        Assert.Null(found.Outcome);
    }

    [Fact]
    public void A_run_is_found_by_its_conversation_and_the_newest_of_those_that_went_on_with_it()
    {
        var session = Guid.NewGuid();
        Store.Insert("a1", Plans.Any() with { SessionId = session.ToString() });
        Store.Insert("a2", Plans.Any() with { ContinuedFrom = "a1" });
        Store.Insert("a3", Plans.Any() with { ContinuedFrom = "a1" });

        Assert.Equal("a1", Store.FindBySession(session)?.Id);
        Assert.Equal("a3", Store.FindContinuation("a1")?.Id);
        Assert.Null(Store.FindContinuation("a3"));
        Assert.Null(Store.FindBySession(Guid.NewGuid()));
    }

    [Fact]
    public void A_key_stands_for_one_run_of_its_owner_and_another_owner_may_use_it_too()
    {
        var ticket = new RunTicket(ViaServer: true, "ci") { IdempotencyKey = "k", RequestHash = "h" };
        Store.Insert("a1", Plans.Any() with { Ticket = ticket });
        Store.Insert("a2", Plans.Any() with { Ticket = ticket with { CreatedBy = "ada" } });

        Assert.Throws<RunStore.KeyTakenException>(() => Store.Insert("a3", Plans.Any() with { Ticket = ticket }));
        Assert.Null(Store.Find("a3"));
        var (run, hash) = Store.FindByKey(ticket)!.Value;
        Assert.Equal(("a1", "h"), (run.Id, hash));
        Assert.Null(Store.FindByKey(ticket with { IdempotencyKey = "other" }));
        Assert.Null(Store.FindByKey(RunTicket.Own));
    }

    [Fact]
    public void Of_one_owner_only_his_own_runs_are_listed_and_found()
    {
        Store.Insert("a1", Plans.Any() with { Ticket = new RunTicket(ViaServer: true, "ada") });
        Store.Insert("a2", Plans.Any() with { Ticket = new RunTicket(ViaServer: true, "bob") });
        Store.Insert("b3", Plans.Any());

        Assert.Equal(["a1"], Store.List(new RunFilter { Owner = "ada" }).Select(run => run.Id));
        Assert.Empty(Store.List(new RunFilter { Owner = "a" }));
        Assert.Equal(["b3", "a2", "a1"], Store.List(new RunFilter()).Select(run => run.Id));
        Assert.Equal(["a2"], Store.FindByFragment("a", "bob").Select(run => run.Id));
        Assert.Empty(Store.FindByFragment("b3", "bob"));
        Assert.Equal(2, Store.FindByFragment("a").Count);
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
                Store.Insert($"r{i}", Plans.Any() with { Ticket = ticket });
            }
            catch (FailureException full) when (full.Failure.Code is "queue_full")
            {
                Interlocked.Increment(ref refused);
            }
        });

        Assert.Equal(9, refused);
        Assert.Equal(3, Store.ListWaiting(10).Count);
        Assert.All(Store.ListWaiting(10), run => Assert.Equal(1, run.Priority));
    }

    [Fact]
    public void Runs_are_found_by_each_property_and_by_all_of_them()
    {
        var ticket = new RunTicket(ViaServer: true, "ci")
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal) { ["team"] = "shop", ["it's"] = "\"1\"" },
        };
        Store.Insert("a1", Plans.Any() with { Ticket = ticket });
        Store.Insert("a2", Plans.Any() with { Workflow = "fix", Repository = "/b" });
        Store.Insert("a3", Plans.Any() with { Mode = "docker" });
        Store.Finish("a3", new RunOutcome { State = RunState.TimedOut });
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
        ids.ForEach(id => Store.Insert(id, Plans.Any()));
        var claimed = 0;
        Parallel.ForEach(ids, id => Interlocked.Add(ref claimed, Store.Claim(id, maxConcurrent: 3) ? 1 : 0));

        Assert.Equal(3, claimed);
    }

    private IReadOnlyList<string> Ids(RunFilter filter) => [.. Store.List(filter).Select(run => run.Id)];

    [Fact]
    public void An_outcome_is_recorded_once_and_the_first_one_stays()
    {
        Store.Insert("a1", Plans.Any());
        var results = new bool[8];
        Parallel.For(
            0,
            results.Length,
            i => results[i] = Store.Finish("a1", new RunOutcome { State = RunState.Failed, Turns = i }));
        var first = Store.Find("a1")!;

        Assert.Single(results, won => won);
        Assert.False(Store.Finish("a1", new RunOutcome { State = RunState.Succeeded }));
        Assert.Equal(RunState.Failed, Store.Find("a1")!.State);
        Assert.Equal(first.FinishedAt, Store.Find("a1")!.FinishedAt);
    }

    [Fact]
    public void A_final_run_is_not_moved_claimed_or_cancelled()
    {
        Store.Insert("a1", Plans.Any());
        Store.Finish("a1", new RunOutcome { State = RunState.TimedOut });
        Store.RequestCancel("a1", CancelLevel.Hard);

        Assert.False(Store.Claim("a1", 10));
        Assert.False(Store.Move("a1", RunState.Running, RunState.Capturing));
        Assert.Equal(CancelLevel.None, Store.ReadCancel("a1"));
        Assert.Equal(RunState.TimedOut, Store.Find("a1")!.State);
    }

    [Fact]
    public void A_hard_cancel_is_never_softened()
    {
        Store.Insert("a1", Plans.Any());
        Store.RequestCancel("a1", CancelLevel.Hard);
        Store.RequestCancel("a1", CancelLevel.Soft);

        Assert.Equal(CancelLevel.Hard, Store.ReadCancel("a1"));
    }

    [Fact]
    public void A_run_is_found_by_its_prefix_and_by_its_last_characters()
    {
        Store.Insert("01aaaaaa", Plans.Any());
        Store.Insert("01bbbbbb", Plans.Any());

        Assert.Equal("01aaaaaa", Assert.Single(Store.FindByFragment("01a")).Id);
        Assert.Equal("01bbbbbb", Assert.Single(Store.FindByFragment("bbb")).Id);
        Assert.Equal(2, Store.FindByFragment("01").Count);
        Assert.Empty(Store.FindByFragment("%"));
    }

    [Fact]
    public void Runs_are_open_until_they_are_final_and_cleaned_up()
    {
        Store.Insert("a1", Plans.Any());
        Store.Insert("a2", Plans.Any());
        Store.Finish("a1", new RunOutcome { State = RunState.Succeeded });
        Assert.Equal(2, Store.ListOpen().Count);
        Store.SetCleanup("a1", CleanupState.Done);

        Assert.Equal("a2", Assert.Single(Store.ListOpen()).Id);
    }

    [Fact]
    public void Progress_survives_a_round_trip()
    {
        Store.Insert("a1", Plans.Any());
        var progress = new RunProgress
        {
            StartIntended = true,
            Phases = new PhaseTimes { Prepare = 12, Run = 3400 },
            Leaked = ["/some/where"],
            Gateway = new GatewayCounts(3, 1000, 20)
            {
                CacheReadTokens = 1, CacheWriteTokens = 2, CacheWrite1hTokens = 3, Turns = 4, CostUsd = 0.000000001m,
            },
            BudgetStop = new(BudgetScope.Owner, "ada", BudgetUnit.WallTime, "1 s of work", "2 s of work"),
        };
        Store.SaveProgress("a1", progress);

        Assert.Equivalent(progress, Store.Find("a1")!.Progress, strict: true);
    }

    [Fact]
    public void A_run_that_waits_for_anybody_is_taken_by_one_home_with_all_that_its_agent_needs()
    {
        var ticket = new RunTicket(ViaServer: true, "ci");
        var files = Files();
        Store.Insert("a1", Plans.Any() with { Ticket = ticket }, files);
        var others = new RunStore(Open(), There, TimeProvider.System);

        Assert.Null(Store.Find("a1")!.Server);
        Assert.Empty(Store.ListOpen());
        Assert.Single(others.ListWaiting(10));
        Assert.Equivalent(files, Store.Take("a1"), strict: true);
        Assert.Equal(Here, Store.Find("a1")!.Server);
        Assert.Null(others.Take("a1"));
        Assert.Empty(others.ListWaiting(10));
        Assert.Single(Store.ListOpen());
        Assert.Empty(others.ListOpen());
        Assert.NotNull(Store.Take("a1"));
    }

    [Fact]
    public void Of_many_homes_that_want_a_run_one_has_it()
    {
        Store.Insert("a1", Plans.Any(), Files());
        var homes = Enumerable.Range(0, 8).Select(i => new RunStore(Open(), $"home{i}", TimeProvider.System)).ToList();
        var takers = 0;
        Parallel.ForEach(homes, home => Interlocked.Add(ref takers, home.Take("a1") is null ? 0 : 1));

        Assert.Equal(1, takers);
    }

    [Fact]
    public void A_run_is_changed_by_the_home_that_has_it_and_by_no_other()
    {
        Store.Insert("a1", Plans.Any());
        var others = new RunStore(Open(), There, TimeProvider.System);

        Assert.False(others.Claim("a1", 10));
        Assert.True(Store.Claim("a1", 10));
        Assert.False(others.Move("a1", RunState.Preparing, RunState.Running));
        Assert.False(others.SaveProgress("a1", new RunProgress { Adoptions = 9 }));
        Assert.False(others.Launch("a1", new RunProgress()));
        Assert.False(others.Finish("a1", new RunOutcome { State = RunState.Failed }));
        others.SetCleanup("a1", CleanupState.Done);
        others.Replan("a1", Plans.Any() with { Workflow = "other" });

        Assert.Equivalent(
            (RunState.Preparing, CleanupState.Pending, 0),
            (Store.Find("a1")!.State, Store.Find("a1")!.Cleanup, Store.Find("a1")!.Progress.Adoptions));
        Assert.NotEqual("other", Store.Find("a1")!.Plan.Workflow);
    }

    [Fact]
    public void What_a_server_that_is_away_had_not_launched_waits_again_and_the_rest_stays_its_own()
    {
        var plan = Plans.Any() with { Ticket = new RunTicket(ViaServer: true, "ci") };
        foreach (var id in new[] { "taken", "claimed", "launched", "waiting" })
        {
            Store.Insert(id, plan, Files());
        }

        Store.Insert("own", Plans.Any());
        foreach (var id in new[] { "taken", "claimed", "launched" })
        {
            Store.Take(id);
        }

        Assert.True(Store.Claim("claimed", 10));
        Assert.True(Store.Claim("launched", 10));
        Assert.True(Store.Launch("launched", new RunProgress { StartIntended = true }));
        var servers = new ServerStore(Open(), TimeProvider.System);

        Assert.Equal(2, servers.Release(Here, "{}"));
        Assert.Equal(0, servers.Release(Here, "{}"));
        var others = new RunStore(Open(), There, TimeProvider.System);
        Assert.Equal(
            ["taken", "claimed", "waiting"],
            others.ListWaiting(10).Select(run => run.Id).OrderByDescending(id => id.Length == 5).ThenBy(id => id));
        Assert.False(Store.IsOurs("claimed"));
        Assert.False(Store.SaveProgress("claimed", new RunProgress()));
        Assert.NotNull(others.Take("claimed"));
        Assert.True(others.Claim("claimed", 10));
        Assert.True(Store.IsOurs("launched"));
        Assert.True(Store.IsOurs("own"));
        Assert.True(Store.Finish("launched", new RunOutcome { State = RunState.Succeeded }));
    }

    [Fact]
    public void What_a_server_that_does_not_come_back_had_launched_is_lost_and_nothing_else()
    {
        Store.Insert("a1", Plans.Any());
        Store.Insert("a2", Plans.Any());
        Store.Insert("a3", Plans.Any() with { Ticket = new RunTicket(ViaServer: true, "ci") }, Files());
        Store.Finish("a2", new RunOutcome { State = RunState.Succeeded });
        var outcome = System.Text.Json.JsonSerializer.Serialize(
            new RunOutcome { State = RunState.Lost }, RunJson.Default.RunOutcome);

        Assert.Equal(1, new ServerStore(Open(), TimeProvider.System).GiveUp(Here, outcome));
        Assert.Equal(
            [RunState.Lost, RunState.Succeeded, RunState.Queued],
            new[] { "a1", "a2", "a3" }.Select(id => Store.Find(id)!.State));
    }

    [Fact]
    public void A_server_is_known_by_what_it_said_last_and_its_number_grows()
    {
        var servers = new ServerStore(Open(), TimeProvider.System);
        servers.Beat("one", "machine:/home", "http://one:1/");
        servers.Beat("two", "other:/home", "http://two:1/");
        servers.Beat("one", "machine:/home", "http://one:2/");

        Assert.Equal(
            [("one", "http://one:2/", 2L), ("two", "http://two:1/", 1L)],
            servers.List().Select(server => (server.Id, server.Url, server.Beat)));
    }

    private static WaitingFiles Files() => new(
        [1, 0, 255, 10], "Be brief.", null,
        new Dictionary<string, string>(StringComparer.Ordinal) { ["NAME"] = "it's \"€\"\n" });
}
