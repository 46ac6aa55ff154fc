using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Access;

/// <summary>The table of who did what to which run.</summary>
internal sealed class AuditStore(Database database, TimeProvider time)
{
    /// <summary>Notes what somebody did.</summary>
    /// <param name="caller">Who.</param>
    /// <param name="action">What: <c>run.create</c>, <c>run.cancel</c>, <c>run.cleanup</c>,
    /// <c>workflow.replace</c>, …</param>
    /// <param name="runId">To which run, or to which workflow, or null.</param>
    /// <param name="address">From where.</param>
    public void Add(Caller caller, string action, string? runId, string address) => database.Execute(
        """
        insert into audit (at, who, role, action, run_id, address)
        values (@at, @who, @role, @action, @run, @from)
        """,
        ("at", time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
        ("who", caller.Name),
        ("role", caller.Role.ToString().ToLowerInvariant()),
        ("action", action),
        ("run", runId),
        ("from", address));
}
