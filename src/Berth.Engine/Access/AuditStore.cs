using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Access;

/// <summary>The table of who did what to which run.</summary>
internal sealed class AuditStore(Database database, TimeProvider time)
{
    /// <summary>Notes what somebody did.</summary>
    /// <param name="caller">Who.</param>
    /// <param name="action">What: <c>run.create</c>, <c>run.cancel</c>, <c>run.cleanup</c>, …</param>
    /// <param name="runId">To which run, or null.</param>
    /// <param name="address">From where.</param>
    public void Add(Caller caller, string action, string? runId, string address)
    {
        using var connection = database.Connect();
        using var insert = connection.CreateCommand();
        insert.CommandText =
            "insert into audit (at, who, role, action, run_id, address) "
            + "values ($at, $who, $role, $action, $run, $from)";
        insert.Parameters.AddWithValue("$at", time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        insert.Parameters.AddWithValue("$who", caller.Name);
        insert.Parameters.AddWithValue("$role", caller.Role.ToString().ToLowerInvariant());
        insert.Parameters.AddWithValue("$action", action);
        insert.Parameters.AddWithValue("$run", (object?)runId ?? DBNull.Value);
        insert.Parameters.AddWithValue("$from", address);
        insert.ExecuteNonQuery();
    }
}
