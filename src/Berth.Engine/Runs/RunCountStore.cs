using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Runs;

/// <summary>How many runs are in a state.</summary>
/// <param name="State">The state, as a word.</param>
/// <param name="Count">How many.</param>
/// <param name="Oldest">When the oldest of them was created.</param>
internal sealed record OpenRuns(string State, int Count, DateTimeOffset Oldest);

/// <summary>Counts the table of runs, for whoever watches it.</summary>
internal sealed class RunCountStore(Database database)
{
    /// <summary>How many runs are in each state that is not final; none are left out.</summary>
    public IReadOnlyList<OpenRuns> CountOpen() => database.Query(
        """
        select state, count(*), min(created_at) from runs
        where state in ('queued', 'preparing', 'running', 'waiting', 'stopping', 'capturing') group by state
        """,
        row => new OpenRuns(
            row.GetString(0),
            (int)row.GetInt64(1),
            DateTimeOffset.Parse(row.GetString(2), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)));
}
