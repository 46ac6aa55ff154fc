using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Finds the run that somebody means.</summary>
internal static class RunLookup
{
    /// <summary>Finds a run by its id, a prefix of it or its last characters.</summary>
    /// <exception cref="FailureException"><c>run_not_found</c>, <c>run_ambiguous</c>.</exception>
    public static RunRecord Resolve(RunStore runs, string fragment)
    {
        // A whole id is found by the table's key; a part of one only by looking at all of them.
        var part = fragment.ToLowerInvariant();
        var found = !RunId.IsFragment(part) ? []
            : RunId.IsWhole(part) && runs.Find(part) is { } whole ? [whole]
            : runs.FindByFragment(part);
        return found switch
        {
            [var one] => one,
            [] =>
                throw new FailureException(
                    "run_not_found",
                    $"There is no run '{fragment}'.",
                    "berth ps --all lists the runs.",
                    Fault.User),
            _ =>
                throw new FailureException(
                    "run_ambiguous",
                    $"'{fragment}' names more than one run.",
                    "Give more of the id.",
                    Fault.User),
        };
    }
}
