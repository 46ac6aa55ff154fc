using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Finds the run that somebody means.</summary>
internal static class RunLookup
{
    /// <summary>Finds a run by its id, a prefix of it or its last characters.</summary>
    /// <param name="runs">The table.</param>
    /// <param name="fragment">The id or a part of it.</param>
    /// <param name="owner">Whose runs are looked at; null for everybody's. Others' are as if there were none.</param>
    /// <exception cref="FailureException"><c>run_not_found</c>, <c>run_ambiguous</c>.</exception>
    public static RunRecord Resolve(RunStore runs, string fragment, string? owner = null)
    {
        // A whole id is found by the table's key; a part of one only by looking at all of them.
        var part = fragment.ToLowerInvariant();
        var found = !RunId.IsFragment(part) ? []
            : RunId.IsWhole(part) && runs.Find(part) is { } whole && IsOf(whole, owner) ? [whole]
            : runs.FindByFragment(part, owner);
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

    private static bool IsOf(RunRecord run, string? owner) =>
        owner is null || string.Equals(run.Plan.Ticket.CreatedBy, owner, StringComparison.Ordinal);

    /// <summary>Finds the run that a conversation has come to: the one whose conversation has this id, or the newest
    /// of those that went on with it.</summary>
    /// <exception cref="FailureException"><c>session_not_found</c>.</exception>
    public static RunRecord OfSession(RunStore runs, string session)
    {
        if (!Guid.TryParseExact(session, "D", out var id) || runs.FindBySession(id) is not { } run)
        {
            throw NoSession();
        }

        while (runs.FindContinuation(run.Id) is { } next)
        {
            run = next;
        }

        return run;
    }

    /// <summary>The failure where no run has a conversation.</summary>
    public static FailureException NoSession() => new(
        "session_not_found", "There is no run with such a conversation.", "Leave out the session.", Fault.User);
}
