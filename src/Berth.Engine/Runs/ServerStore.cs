using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Runs;

/// <summary>A server that shares the database.</summary>
/// <param name="Id">Its home's name, which never changes.</param>
/// <param name="Place">The machine and the folder of that home.</param>
/// <param name="Url">Where the others reach it.</param>
/// <param name="Beat">Grows for as long as it lives.</param>
/// <param name="SeenAt">When it said so last, by its own clock.</param>
internal sealed record ServerRow(string Id, string Place, string Url, long Beat, DateTimeOffset SeenAt);

/// <summary>The table of servers that share a database, and what becomes of the runs of those that are away.</summary>
/// <remarks>
/// A lease here is a number that its holder counts up. Whoever watches measures with his own clock for how long it has
/// not grown, so that no two machines need the same time; and that a lease was taken for dead too early does no harm,
/// for a home writes to a run only as long as the run is its own.
/// </remarks>
internal sealed class ServerStore(Database database, TimeProvider time)
{
    /// <summary>Says that a server lives.</summary>
    public void Beat(string id, string place, string url) => database.Execute(
        """
        insert into servers (id, place, url, beat, seen_at) values (@id, @place, @url, 1, @now)
        on conflict (id) do update set place = @place, url = @url, beat = servers.beat + 1, seen_at = @now
        """,
        ("id", id),
        ("place", place),
        ("url", url),
        ("now", Now()));

    /// <summary>All that there are, or were.</summary>
    public IReadOnlyList<ServerRow> List() => database.Query(
        "select id, place, url, beat, seen_at from servers order by id",
        row => new ServerRow(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetInt64(3),
            DateTimeOffset.Parse(row.GetString(4), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal)));

    /// <summary>Gives back to the queue what a server that is away had taken and not launched.</summary>
    /// <param name="id">The server.</param>
    /// <param name="fresh">The progress of a run that has none.</param>
    /// <returns>How many runs.</returns>
    public int Release(string id, string fresh) => database.Execute(
        """
        update runs set state = 'queued', server = null, started_at = null, progress = @fresh
        where server = @id and launched = 0 and via_server = 1 and state in ('queued', 'preparing')
            and id in (select run_id from run_files)
        """,
        ("id", id),
        ("fresh", fresh));

    /// <summary>Ends what a server that will not come back had launched: nobody else can know what became of
    /// it.</summary>
    /// <returns>How many runs.</returns>
    public int GiveUp(string id, string outcome) => database.Execute(
        """
        update runs set state = 'lost', outcome = @outcome, finished_at = @now
        where server = @id and state in ('queued', 'preparing', 'running', 'waiting', 'stopping', 'capturing')
        """,
        ("id", id),
        ("outcome", outcome),
        ("now", Now()));

    /// <summary>Says that a server has ended in order: its home may be another place's from here on.</summary>
    public void Leave(string id) => database.Execute("update servers set place = '' where id = @id", ("id", id));

    /// <summary>Takes a server out of the table. One that comes back all the same stands in it again.</summary>
    public void Forget(string id) => database.Execute("delete from servers where id = @id", ("id", id));

    private string Now() => time.GetUtcNow().UtcDateTime.ToString("O", CultureInfo.InvariantCulture);
}
