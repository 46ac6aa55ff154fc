using Berth.Engine.Runs;
using Berth.Server.Dispatch;
using Xunit;

namespace Berth.Tests.Server;

public sealed class FairChoiceTests
{
    private static readonly PlaceLimits Four = new(4, PerWorkflow: null, PerRepository: null);

    [Fact]
    public void Those_that_came_first_are_chosen_first_and_no_more_than_there_are_places()
    {
        var waiting = Enumerable.Range(0, 6).Select(i => Run($"{i}", repository: $"r{i}")).ToList();

        Assert.Equal(["0", "1", "2"], Chosen(waiting, [new PlacedRun("w", "other")], Four));
        Assert.Empty(Chosen(waiting, [.. Enumerable.Repeat(new PlacedRun("w", "r"), 4)], Four));
    }

    [Fact]
    public void A_higher_priority_comes_first_whatever_else_speaks_for_another()
    {
        WaitingRun[] waiting = [Run("old", repository: "idle"), Run("urgent", repository: "busy", priority: 1)];

        Assert.Equal(
            ["urgent", "old"],
            Chosen(waiting, [new PlacedRun("w", "busy")], Four with { All = 3 }));
    }

    [Fact]
    public void A_repository_with_a_hundred_runs_gets_no_more_than_its_turn()
    {
        var waiting = Enumerable.Range(0, 100).Select(i => Run($"many{i}", repository: "large"))
            .Append(Run("single", repository: "small")).ToList();

        Assert.Equal(["many0", "single", "many1", "many2"], Chosen(waiting, [], Four));
    }

    [Fact]
    public void Bounds_of_a_workflow_and_of_a_repository_hold_and_hold_up_nobody_else()
    {
        WaitingRun[] waiting =
        [
            Run("1", "fix", "a"), Run("2", "fix", "b"), Run("3", "test", "a"), Run("4", "test", "c"),
        ];

        Assert.Equal(["1", "4"], Chosen(waiting, [], new PlaceLimits(4, PerWorkflow: 1, PerRepository: 1)));
        Assert.Equal(["3"], Chosen(waiting, [new PlacedRun("fix", "b")], new PlaceLimits(2, 1, PerRepository: null)));
    }

    private static WaitingRun Run(string id, string workflow = "w", string repository = "r", int priority = 0) =>
        new(id, workflow, repository, priority, IsCancelled: false);

    private static IEnumerable<string> Chosen(
        IReadOnlyList<WaitingRun> waiting, PlacedRun[] placed, PlaceLimits limits) =>
        FairChoice.Among(waiting, placed, limits).Select(run => run.Id);
}
