using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Runs;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Access;

/// <summary>Whose runs a caller sees and steers: his own, where he is no admin and <c>BERTH_RUNS_SHARED</c> does not
/// say otherwise.</summary>
/// <remarks>
/// The owner of a run is the token that it was asked for with; a run of the machine's own user has none. A run of
/// somebody else's is answered as one that there is not, so nobody learns which there are.
/// </remarks>
internal sealed class RunOwners(BerthEngine engine, bool areShared)
{
    /// <summary>The owner whose runs the caller sees; null for everybody's.</summary>
    public string? OwnerFor(HttpContext context)
    {
        var caller = Gatekeeper.CallerOf(context);
        return areShared || caller.Role == Role.Admin ? null : caller.Name;
    }

    /// <summary>The run that a text names, among those that the caller sees. What changes something names a run by its
    /// whole id: a part of it is easily guessed, and easily another one's tomorrow.</summary>
    /// <exception cref="FailureException"><c>run_not_found</c>, <c>run_ambiguous</c>,
    /// <c>run_id_incomplete</c>.</exception>
    public RunView Find(HttpContext context, string named)
    {
        var isReading = HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method);
        if (!isReading && RunId.IsFragment(named.ToLowerInvariant()) && !RunId.IsWhole(named))
        {
            throw new FailureException(
                "run_id_incomplete",
                $"'{named}' is a part of a run's id, and a change needs the whole one.",
                $"GET /api/v1/runs/{named} has it, as id.",
                Fault.User);
        }

        return engine.Resolve(named, OwnerFor(context));
    }

    /// <summary>The same for a decision on its tool calls: a run that wants somebody else's may be another operator's,
    /// if he has been told its whole id.</summary>
    /// <exception cref="FailureException">As <see cref="Find"/>.</exception>
    public RunView FindForDecision(HttpContext context, string named)
    {
        var isOperator = Gatekeeper.CallerOf(context).Role >= Role.Operator;
        return isOperator && RunId.IsFragment(named) && RunId.IsWhole(named)
            && engine.Find(named) is { ApprovalsBy: "other" } run
                ? run
                : Find(context, named);
    }

    /// <summary>Refuses a run that the caller does not see.</summary>
    /// <param name="context">Who asks.</param>
    /// <param name="run">The run.</param>
    /// <param name="absent">The failure where there is no such run.</param>
    public RunView Seen(HttpContext context, RunView run, Func<FailureException> absent) =>
        OwnerFor(context) is not { } owner || string.Equals(run.CreatedBy, owner, StringComparison.Ordinal)
            ? run
            : throw absent();
}
