using Berth.Engine.Runs;

namespace Berth.Server.Dispatch;

/// <summary>A run that has a place.</summary>
/// <param name="Workflow">Its workflow.</param>
/// <param name="Repository">Its repository.</param>
internal sealed record PlacedRun(string Workflow, string Repository);

/// <summary>How many runs work at once: in all, and of one workflow or repository; null for no bound of its
/// own.</summary>
internal sealed record PlaceLimits(int All, int? PerWorkflow, int? PerRepository);

/// <summary>Chooses among the runs that wait: the only place that knows who comes first.</summary>
/// <remarks>
/// The higher priority first. Among equals the repository that has the fewest runs at work, so that one with a hundred
/// waiting does not keep another's single one waiting for all of them; then the one that has waited longest.
/// </remarks>
internal static class FairChoice
{
    /// <summary>The runs that get the free places, in that order.</summary>
    /// <param name="waiting">Those that wait, in the order in which they came.</param>
    /// <param name="placed">Those that have a place.</param>
    /// <param name="limits">How many may.</param>
    public static IReadOnlyList<WaitingRun> Among(
        IReadOnlyList<WaitingRun> waiting, IReadOnlyCollection<PlacedRun> placed, PlaceLimits limits)
    {
        var workflows = placed.CountBy(run => run.Workflow, StringComparer.Ordinal)
            .ToDictionary(StringComparer.Ordinal);
        var repositories = placed.CountBy(run => run.Repository, StringComparer.Ordinal)
            .ToDictionary(StringComparer.Ordinal);
        var left = waiting.ToList();
        var chosen = new List<WaitingRun>();
        while (placed.Count + chosen.Count < limits.All && left.Where(HasPlace).OrderByDescending(run => run.Priority)
            .ThenBy(run => Of(repositories, run.Repository)).FirstOrDefault() is { } next)
        {
            left.Remove(next);
            chosen.Add(next);
            workflows[next.Workflow] = Of(workflows, next.Workflow) + 1;
            repositories[next.Repository] = Of(repositories, next.Repository) + 1;
        }

        return chosen;

        bool HasPlace(WaitingRun run) =>
            !(Of(workflows, run.Workflow) >= limits.PerWorkflow)
            && !(Of(repositories, run.Repository) >= limits.PerRepository);
    }

    private static int Of(Dictionary<string, int> counts, string name) => counts.GetValueOrDefault(name);
}
