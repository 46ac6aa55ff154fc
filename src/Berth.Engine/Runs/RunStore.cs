using System.Globalization;
using System.Text.Json;
using Berth.Engine.Storage;
using Berth.Protocol;
using Microsoft.Data.Sqlite;

namespace Berth.Engine.Runs;

/// <summary>
/// The table of runs. Every change of state is a compare-and-set, so that of two writers one loses and knows it.
/// </summary>
internal sealed class RunStore(Database database, TimeProvider time)
{
    private const string Columns =
        "id, state, plan, created_at, started_at, finished_at, cancel, cleanup, progress, outcome";

    private const string FinalStates = "('succeeded', 'failed', 'cancelled', 'timed_out', 'lost')";

    /// <summary>Adds a run in the state <c>queued</c>, unless too many wait.</summary>
    /// <exception cref="FailureException"><c>queue_full</c>.</exception>
    /// <exception cref="KeyTakenException">There is a run of that idempotency key.</exception>
    public RunRecord Insert(string id, RunPlan plan)
    {
        var run =
            new RunRecord
            {
                Id = id,
                State = RunState.Queued,
                Plan = plan,
                CreatedAt = time.GetUtcNow(),
                Cleanup = CleanupState.Pending
            };
        using var connection = database.Connect();
        using var transaction = connection.BeginTransaction(deferred: false);
        using var insert = Command(
            connection,
            """
            insert into runs (id, state, workflow, mode, repository, created_at, plan, progress,
                via_server, priority, idempotency_key, request_hash)
            select $id, 'queued', $workflow, $mode, $repository, $created, $plan, $progress,
                $server, $priority, $key, $hash
            where $most < 0 or (select count(*) from runs where state = 'queued' and via_server = 1) < $most
            """,
            ("$id", id),
            ("$workflow", plan.Workflow),
            ("$mode", plan.Mode),
            ("$repository", plan.Repository),
            ("$created", Text(run.CreatedAt)),
            ("$plan", JsonSerializer.Serialize(plan, RunJson.Default.RunPlan)),
            ("$progress", JsonSerializer.Serialize(run.Progress, RunJson.Default.RunProgress)),
            ("$server", plan.Ticket.ViaServer ? 1 : 0),
            ("$priority", plan.Ticket.Priority),
            ("$key", plan.Ticket.StoredKey ?? (object)DBNull.Value),
            ("$hash", plan.Ticket.RequestHash ?? (object)DBNull.Value),
            ("$most", plan.Ticket.QueueLimit ?? -1));
        if (InsertOrRefuse(insert) == 0)
        {
            throw QueueFull(plan.Ticket.QueueLimit ?? 0);
        }

        foreach (var (name, value) in plan.Ticket.Labels)
        {
            using var label = Command(
                connection,
                "insert into run_labels (run_id, name, value) values ($id, $name, $value)",
                ("$id", id),
                ("$name", name),
                ("$value", value));
            label.ExecuteNonQuery();
        }

        transaction.Commit();
        return run;
    }

    /// <summary>The run that was asked for with a key, with the hash of what was asked; or null.</summary>
    public (RunRecord Run, string? RequestHash)? FindByKey(RunTicket ticket)
    {
        if (ticket.StoredKey is not { } key || Query(
            $"select {Columns} from runs where idempotency_key = $key", ("$key", key)) is not [var run])
        {
            return null;
        }

        using var connection = database.Connect();
        using var command = Command(connection, "select request_hash from runs where id = $id", ("$id", run.Id));
        return (run, command.ExecuteScalar() as string);
    }

    /// <summary>The runs that wait for a server's dispatcher, the oldest first.</summary>
    public IReadOnlyList<WaitingRun> ListWaiting(int limit)
    {
        using var connection = database.Connect();
        using var command = Command(
            connection,
            "select id, workflow, repository, priority, cancel from runs where state = 'queued' and via_server = 1 "
                + "order by priority desc, created_at, id limit $limit",
            ("$limit", limit));
        using var reader = command.ExecuteReader();
        var waiting = new List<WaitingRun>();
        while (reader.Read())
        {
            waiting.Add(new WaitingRun(
                reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetInt32(3),
                reader.GetInt32(4) > 0));
        }

        return waiting;
    }

    /// <summary>A page of runs.</summary>
    public IReadOnlyList<RunRecord> List(RunFilter filter)
    {
        var (where, values) = filter.Conditions();
        return Query(
            $"select {Columns} from runs {where} order by id {(filter.OldestFirst ? "asc" : "desc")} limit $limit",
            [.. values, ("$limit", filter.Limit)]);
    }

    /// <summary>Takes back a run that was never handed to a host.</summary>
    public void Delete(string id) => Execute("delete from runs where id = $id and state = 'queued'", ("$id", id));

    /// <summary>One run, or null.</summary>
    public RunRecord? Find(string id) =>
        Query($"select {Columns} from runs where id = $id", ("$id", id)).FirstOrDefault();

    /// <summary>The runs whose id begins, or whose short id is, as given; at most two.</summary>
    public IReadOnlyList<RunRecord> FindByFragment(string fragment) => Query(
        $"select {Columns} from runs where substr(id, 1, length($f)) = $f or substr(id, -length($f)) = $f limit 2",
        ("$f", fragment));

    /// <summary>The newest runs first.</summary>
    /// <param name="unfinishedOnly">Leave out the final ones.</param>
    /// <param name="limit">How many at most.</param>
    public IReadOnlyList<RunRecord> List(bool unfinishedOnly, int limit) => Query(
        $"select {Columns} from runs {(unfinishedOnly ? $"where state not in {FinalStates}" : string.Empty)} "
            + "order by created_at desc, id desc limit $limit",
        ("$limit", limit));

    /// <summary>The runs that still need a host: not final, or final and not cleaned up.</summary>
    public IReadOnlyList<RunRecord> ListOpen() => Query(
        $"select {Columns} from runs where state not in {FinalStates} or cleanup = 'pending' order by created_at");

    /// <summary>Takes a queued run into work, unless as many as allowed are at work already.</summary>
    /// <returns>Whether this caller has it now.</returns>
    public bool Claim(string id, int maxConcurrent) => Execute(
        """
        update runs set state = 'preparing', started_at = $now
        where id = $id and state = 'queued'
            and (select count(*) from runs where state in ('preparing', 'running', 'stopping', 'capturing')) < $max
        """,
        ("$id", id),
        ("$max", maxConcurrent),
        ("$now", Text(time.GetUtcNow()))) == 1;

    /// <summary>Moves a run from one state to another, neither of them final.</summary>
    /// <returns>Whether it was in that state.</returns>
    public bool Move(string id, RunState from, RunState to) => Execute(
        "update runs set state = $to where id = $id and state = $from",
        ("$id", id),
        ("$from", Word(from)),
        ("$to", Word(to))) == 1;

    /// <summary>Records how far the flow has come.</summary>
    public void SaveProgress(string id, RunProgress progress) => Execute(
        "update runs set progress = $progress where id = $id",
        ("$id", id),
        ("$progress", JsonSerializer.Serialize(progress, RunJson.Default.RunProgress)));

    /// <summary>Records the outcome, once.</summary>
    /// <returns>Whether it was this call that did.</returns>
    public bool Finish(string id, RunOutcome outcome) => Execute(
        "update runs set state = $state, outcome = $outcome, finished_at = $now "
            + $"where id = $id and state not in {FinalStates}",
        ("$id", id),
        ("$state", Word(outcome.State)),
        ("$outcome", JsonSerializer.Serialize(outcome, RunJson.Default.RunOutcome)),
        ("$now", Text(time.GetUtcNow()))) == 1;

    /// <summary>Records what clean-up came to.</summary>
    public void SetCleanup(string id, CleanupState state) => Execute(
        "update runs set cleanup = $state where id = $id",
        ("$id", id),
        ("$state", Word(state)));

    /// <summary>Asks for a stop. A harder request is never softened, and a final run is left alone.</summary>
    public void RequestCancel(string id, CancelLevel level) => Execute(
        $"update runs set cancel = max(cancel, $level) where id = $id and state not in {FinalStates}",
        ("$id", id),
        ("$level", (int)level));

    /// <summary>What stop was asked for so far.</summary>
    public CancelLevel ReadCancel(string id)
    {
        using var connection = database.Connect();
        using var command = Command(connection, "select cancel from runs where id = $id", ("$id", id));
        return (CancelLevel)Convert.ToInt32(command.ExecuteScalar() ?? 0, CultureInfo.InvariantCulture);
    }

    private static int InsertOrRefuse(SqliteCommand insert)
    {
        const int UniqueViolation = 2067;
        try
        {
            return insert.ExecuteNonQuery();
        }
        catch (SqliteException taken) when (taken.SqliteExtendedErrorCode == UniqueViolation)
        {
            throw new KeyTakenException(taken);
        }
    }

    private static FailureException QueueFull(int most) => new(
        "queue_full",
        $"{most} runs wait already, and no more may.",
        "Try again when some of them have started.",
        Fault.Nobody);

    private int Execute(string sql, params ReadOnlySpan<(string Name, object Value)> values)
    {
        using var connection = database.Connect();
        using var command = Command(connection, sql, values);
        return command.ExecuteNonQuery();
    }

    private List<RunRecord> Query(string sql, params ReadOnlySpan<(string Name, object Value)> values)
    {
        using var connection = database.Connect();
        using var command = Command(connection, sql, values);
        using var reader = command.ExecuteReader();
        var runs = new List<RunRecord>();
        while (reader.Read())
        {
            runs.Add(Read(reader));
        }

        return runs;
    }

    private static SqliteCommand Command(
        SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object Value)> values)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in values)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command;
    }

    private static RunRecord Read(SqliteDataReader row) => new()
    {
        Id = row.GetString(0),
        State = Enum.Parse<RunState>(
            row.GetString(1).Replace("_", string.Empty, StringComparison.Ordinal),
            ignoreCase: true),
        Plan = JsonSerializer.Deserialize(row.GetString(2), RunJson.Default.RunPlan)!,
        CreatedAt = Time(row.GetString(3)),
        StartedAt = row.IsDBNull(4) ? null : Time(row.GetString(4)),
        FinishedAt = row.IsDBNull(5) ? null : Time(row.GetString(5)),
        Cancel = (CancelLevel)row.GetInt32(6),
        Cleanup = Enum.Parse<CleanupState>(
            row.GetString(7).Replace("_", string.Empty, StringComparison.Ordinal),
            ignoreCase: true),
        Progress = JsonSerializer.Deserialize(row.GetString(8), RunJson.Default.RunProgress)!,
        Outcome = row.IsDBNull(9) ? null : JsonSerializer.Deserialize(row.GetString(9), RunJson.Default.RunOutcome),
    };

    private static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    /// <summary>There is a run of an idempotency key.</summary>
    internal sealed class KeyTakenException(Exception inner) : Exception("The key is taken.", inner);
}
