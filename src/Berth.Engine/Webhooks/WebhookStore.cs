using System.Globalization;
using Berth.Engine.Storage;

namespace Berth.Engine.Webhooks;

/// <summary>The outbox of webhooks: what has to be told, until it is.</summary>
/// <remarks>
/// A run's row says how much of it was noted here, and both change in one transaction. So whatever finished the run,
/// and whoever dies in between, each event is noted once. A message stays until its receiver has it or is given up.
/// </remarks>
internal sealed class WebhookStore(Database database, TimeProvider time)
{
    /// <summary>The most messages that wait for one receiver; one more is not kept.</summary>
    public const int MostWaiting = 10_000;

    /// <summary>Makes the receivers those that there are, and forgets all others.</summary>
    /// <returns>Since when each is told: the first time that it was one of them.</returns>
    public IReadOnlyDictionary<string, DateTimeOffset> Settle(IReadOnlyCollection<string> receivers)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        var known = Since();
        foreach (var gone in known.Keys.Except(receivers, StringComparer.Ordinal))
        {
            Database.Execute(connection, "delete from webhook_receivers where receiver = @r", ("r", gone));
            Database.Execute(connection, "delete from webhooks where receiver = @r", ("r", gone));
        }

        if (known.Count == 0 && receivers.Count > 0)
        {
            // Nobody was told of these, and nobody is to be: a new receiver does not get the history of years.
            Database.Execute(connection, "update runs set webhooks_told = 3 where finished_at is not null");
        }

        foreach (var receiver in receivers.Except(known.Keys, StringComparer.Ordinal))
        {
            Database.Execute(
                connection,
                "insert into webhook_receivers (receiver, since) values (@r, @now) on conflict do nothing",
                ("r", receiver),
                ("now", Text(time.GetUtcNow())));
        }

        transaction.Commit();
        return Since();
    }

    /// <summary>Runs of which something is to be noted, the oldest first.</summary>
    public IReadOnlyList<UntoldRun> ListUntold(int limit) => database.Query(
        """
        select id, webhooks_told, created_at, started_at, finished_at from runs
        where webhooks_told < 3 and (webhooks_told = 0 or finished_at is not null
            or (webhooks_told = 1 and started_at is not null))
        order by id limit @limit
        """,
        row => new UntoldRun(
            row.GetString(0),
            row.GetInt32(1),
            Time(row.GetString(2)),
            row.IsDBNull(3) ? null : Time(row.GetString(3)),
            row.IsDBNull(4) ? null : Time(row.GetString(4))),
        ("limit", limit));

    /// <summary>Notes messages of a run and that they are noted, both or neither.</summary>
    /// <returns>Whether it was this call that did.</returns>
    public bool Add(UntoldRun run, int level, IReadOnlyList<WebhookMessage> messages)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        var isOurs = Database.Execute(
            connection,
            "update runs set webhooks_told = @to where id = @id and webhooks_told = @from",
            ("to", level), ("id", run.Id), ("from", run.Told)) == 1;
        foreach (var message in isOurs ? messages : [])
        {
            Database.Execute(
                connection,
                """
                insert into webhooks (id, receiver, run_id, type, body, tries, due_at)
                values (@id, @receiver, @run, @type, @body, 0, @due) on conflict do nothing
                """,
                ("id", message.Id), ("receiver", message.Receiver), ("run", message.RunId),
                ("type", message.Type), ("body", message.Body), ("due", Text(message.DueAt)));
        }

        transaction.Commit();
        return isOurs;
    }

    /// <summary>How many messages wait for each receiver that has some.</summary>
    public IReadOnlyDictionary<string, int> CountWaiting() => database.Query(
        "select receiver, count(*) from webhooks group by receiver",
        row => KeyValuePair.Create(row.GetString(0), (int)row.GetInt64(1)))
        .ToDictionary(StringComparer.Ordinal);

    /// <summary>The messages of a receiver that are to be tried now, those due longest first.</summary>
    public IReadOnlyList<WebhookMessage> ListDue(string receiver, int limit) => database.Query(
        """
        select id, receiver, run_id, type, body, tries, due_at from webhooks
        where receiver = @receiver and due_at <= @now order by due_at, id limit @limit
        """,
        row => new WebhookMessage(
            row.GetString(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetString(4),
            Time(row.GetString(6)))
        {
            Tries = row.GetInt32(5),
        },
        ("receiver", receiver),
        ("now", Text(time.GetUtcNow())),
        ("limit", limit));

    /// <summary>Takes a message for one try, which counts from here. Whoever dies with it leaves it due then.</summary>
    /// <returns>Whether this caller has it; another server may.</returns>
    public bool Claim(WebhookMessage message, DateTimeOffset until)
    {
        return database.Execute(
            """
            update webhooks set tries = tries + 1, due_at = @until
            where id = @id and receiver = @receiver and tries = @tries
            """,
            ("until", Text(until)), ("id", message.Id), ("receiver", message.Receiver),
            ("tries", message.Tries)) == 1;
    }

    /// <summary>Has a message tried again at a time.</summary>
    public void Postpone(WebhookMessage message, DateTimeOffset until)
    {
        database.Execute(
            "update webhooks set due_at = @until where id = @id and receiver = @receiver",
            ("until", Text(until)), ("id", message.Id), ("receiver", message.Receiver));
    }

    /// <summary>Removes a message: its receiver has it, or is given up.</summary>
    public void Remove(WebhookMessage message)
    {
        database.Execute(
            "delete from webhooks where id = @id and receiver = @receiver",
            ("id", message.Id), ("receiver", message.Receiver));
    }

    private Dictionary<string, DateTimeOffset> Since() => database.Query(
        "select receiver, since from webhook_receivers limit 1000",
        row => KeyValuePair.Create(row.GetString(0), Time(row.GetString(1))))
        .ToDictionary(StringComparer.Ordinal);

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}
