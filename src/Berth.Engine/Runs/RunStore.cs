using System.Data.Common;
using System.Globalization;
using System.Text.Json;
using Berth.Engine.Budgets;
using Berth.Engine.Storage;
using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>
/// The table of runs. Every change of state is a compare-and-set, so that of two writers one loses and knows it.
/// </summary>
/// <remarks>
/// A run belongs to the home where its directory is; only that one changes it, however late it comes to. In a shared
/// database a run that waits belongs to nobody, and what its agent is to be given stands in <c>run_files</c> until it
/// is launched.
/// </remarks>
/// <param name="database">Where the table is.</param>
/// <param name="home">The home that asks, by the name that it has in the table.</param>
/// <param name="time">The clock.</param>
internal sealed class RunStore(Database database, string home, TimeProvider time)
{
    private const string Columns =
        "id, state, plan, created_at, started_at, finished_at, cancel, cleanup, progress, outcome, server";

    private const string FinalStates = "('succeeded', 'failed', 'cancelled', 'timed_out', 'lost')";

    /// <summary>What runs have spent, in the same database.</summary>
    public SpendingStore Spending { get; } = new(database, time);

    /// <summary>Whether other homes have runs in it too.</summary>
    public bool AreShared => database.IsShared;

    /// <summary>Adds a run in the state <c>queued</c>, unless too many wait.</summary>
    /// <param name="id">Its id.</param>
    /// <param name="plan">What was decided.</param>
    /// <param name="files">What the agent is to be given, where any server may take the run; null where this home has
    /// it already.</param>
    /// <exception cref="FailureException"><c>queue_full</c>.</exception>
    /// <exception cref="KeyTakenException">There is a run of that idempotency key.</exception>
    public RunRecord Insert(string id, RunPlan plan, WaitingFiles? files = null)
    {
        var run =
            new RunRecord
            {
                Id = id,
                State = RunState.Queued,
                Plan = plan,
                CreatedAt = time.GetUtcNow(),
                Cleanup = CleanupState.Pending,
                Server = files is null ? home : null,
            };
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        if (InsertOrRefuse(connection, run) == 0)
        {
            throw QueueFull(plan.Ticket.QueueLimit ?? 0);
        }

        foreach (var (name, value) in plan.Ticket.Labels)
        {
            Database.Execute(
                connection,
                "insert into run_labels (run_id, name, value) values (@id, @name, @value)",
                ("id", id),
                ("name", name),
                ("value", value));
        }

        if (files is not null)
        {
            Database.Execute(
                connection,
                """
                insert into run_files (run_id, input, system_prompt, mcp_config, environment)
                values (@id, @input, @prompt, @mcp, @environment)
                """,
                ("id", id),
                ("input", files.Input),
                ("prompt", files.SystemPrompt),
                ("mcp", files.McpConfig),
                ("environment", JsonSerializer.Serialize(files.Environment, RunJson.Default.WaitingEnvironment)));
        }

        transaction.Commit();
        return run;
    }

    /// <summary>Takes a run that waits to this home, where it is nobody's yet.</summary>
    /// <returns>What its agent is to be given, or null where it is not this home's.</returns>
    public WaitingFiles? Take(string id) => database.Execute(
        "update runs set server = @home where id = @id and state = 'queued' and (server is null or server = @home)",
        ("id", id),
        ("home", home)) == 0
            ? null
            : database.Query(
                "select input, system_prompt, mcp_config, environment from run_files where run_id = @id",
                ReadFiles,
                ("id", id)).FirstOrDefault();

    /// <summary>Records what was decided anew about a run of this home that is not launched.</summary>
    public void Replan(string id, RunPlan plan) => database.Execute(
        "update runs set plan = @plan where id = @id and server = @home and launched = 0",
        ("id", id),
        ("home", home),
        ("plan", JsonSerializer.Serialize(plan, RunJson.Default.RunPlan)));

    /// <summary>Whether a run is this home's.</summary>
    public bool IsOurs(string id) =>
        database.Query("select id from runs where id = @id and server = @home", row => row.GetString(0),
            ("id", id), ("home", home)).Count > 0;

    /// <summary>Records that the executor is about to be asked to start a run. Until here another server may take it
    /// from a home that is away; from here on it is this home's.</summary>
    /// <returns>Whether it still was.</returns>
    public bool Launch(string id, RunProgress progress)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        var isOurs = Database.Execute(
            connection,
            "update runs set progress = @progress, launched = 1 where id = @id and server = @home",
            ("id", id),
            ("home", home),
            ("progress", JsonSerializer.Serialize(progress, RunJson.Default.RunProgress))) == 1;
        if (isOurs)
        {
            Database.Execute(connection, "delete from run_files where run_id = @id", ("id", id));
        }

        transaction.Commit();
        return isOurs;
    }

    /// <summary>The run that was asked for with a key, with the hash of what was asked; or null.</summary>
    public (RunRecord Run, string? RequestHash)? FindByKey(RunTicket ticket)
    {
        if (ticket.StoredKey is not { } key
            || Query($"select {Columns} from runs where idempotency_key = @key", ("key", key)) is not [var run])
        {
            return null;
        }

        var hashes = database.Query(
            "select request_hash from runs where id = @id", row => row.IsDBNull(0) ? null : row.GetString(0),
            ("id", run.Id));
        return (run, hashes.FirstOrDefault());
    }

    /// <summary>The run with a conversation of this id, or null.</summary>
    public RunRecord? FindBySession(Guid session) => FindByPlan($"\"sessionId\":\"{session}\"");

    /// <summary>The newest run that goes on with the conversation of a run, or null.</summary>
    public RunRecord? FindContinuation(string id) => FindByPlan($"\"continuedFrom\":\"{id}\"");

    private RunRecord? FindByPlan(string part) => Query(
        $"select {Columns} from runs where plan like @part order by id desc limit 1", ("part", $"%{part}%"))
        .FirstOrDefault();

    /// <summary>The runs that wait for this home's dispatcher, or for anybody's: the most urgent and then the oldest
    /// first.</summary>
    public IReadOnlyList<WaitingRun> ListWaiting(int limit) => database.Query(
        """
        select id, workflow, repository, priority, cancel, server from runs
        where state = 'queued' and via_server = 1 and (server is null or server = @home)
        order by priority desc, created_at, id limit @limit
        """,
        row => new WaitingRun(
            row.GetString(0), row.GetString(1), row.GetString(2), row.GetInt32(3), row.GetInt32(4) > 0,
            !row.IsDBNull(5)),
        ("home", home),
        ("limit", limit));

    /// <summary>A page of runs.</summary>
    public IReadOnlyList<RunRecord> List(RunFilter filter)
    {
        var (where, values) = filter.Conditions();
        return Query(
            $"select {Columns} from runs {where} order by id {(filter.OldestFirst ? "asc" : "desc")} limit @limit",
            [.. values, ("limit", filter.Limit)]);
    }

    /// <summary>Takes back a run that was never handed to a host.</summary>
    public void Delete(string id) =>
        database.Execute("delete from runs where id = @id and state = 'queued'", ("id", id));

    /// <summary>One run, or null.</summary>
    public RunRecord? Find(string id) =>
        Query($"select {Columns} from runs where id = @id", ("id", id)).FirstOrDefault();

    /// <summary>The runs, of one owner or of all, whose id begins, or whose short id is, as given; at most
    /// two.</summary>
    public IReadOnlyList<RunRecord> FindByFragment(string fragment, string? owner = null) => Query(
        // The inner question is answered by the index of ids alone, without the runs that do not match.
        $"""
        select {Columns} from runs where id in (
            select id from runs
            where (substr(id, 1, @length) = @f or substr(id, length(id) - @length + 1) = @f)
                and (@owner = '' or owner = @owner) limit 2)
        """,
        ("f", fragment),
        ("owner", owner ?? string.Empty),
        ("length", fragment.Length));

    /// <summary>The runs of this home that still need a host: not final, or final and not cleaned up.</summary>
    public IReadOnlyList<RunRecord> ListOpen() => Query(
        $"""
        select {Columns} from runs
        where (state not in {FinalStates} or cleanup = 'pending') and server = @home order by created_at
        """,
        ("home", home));

    /// <summary>Takes a queued run into work, unless as many as allowed are at work in this home already.</summary>
    /// <returns>Whether this caller has it now.</returns>
    public bool Claim(string id, int maxConcurrent)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        var isOurs = Database.Execute(
            connection,
            """
            update runs set state = 'preparing', started_at = @now
            where id = @id and state = 'queued' and server = @home
                and (select count(*) from runs
                    where state in ('preparing', 'running', 'waiting', 'stopping', 'capturing') and server = @home) < @max
            """,
            ("id", id),
            ("home", home),
            ("max", maxConcurrent),
            ("now", Text(time.GetUtcNow()))) == 1;
        transaction.Commit();
        return isOurs;
    }

    /// <summary>Moves a run of this home from one state to another, neither of them final.</summary>
    /// <returns>Whether it was in that state.</returns>
    public bool Move(string id, RunState from, RunState to) => database.Execute(
        "update runs set state = @to where id = @id and state = @from and server = @home",
        ("id", id),
        ("home", home),
        ("from", RunWord.Of(from)),
        ("to", RunWord.Of(to))) == 1;

    /// <summary>Records how far the flow has come.</summary>
    /// <returns>Whether the run still is this home's.</returns>
    public bool SaveProgress(string id, RunProgress progress) => database.Execute(
        "update runs set progress = @progress where id = @id and server = @home",
        ("id", id),
        ("home", home),
        ("progress", JsonSerializer.Serialize(progress, RunJson.Default.RunProgress))) == 1;

    /// <summary>Records the outcome, once.</summary>
    /// <returns>Whether it was this call that did.</returns>
    public bool Finish(string id, RunOutcome outcome)
    {
        using var connection = database.Connect();
        using var transaction = database.BeginAlone(connection);
        var isFirst = Database.Execute(
            connection,
            "update runs set state = @state, outcome = @outcome, finished_at = @now "
                + $"where id = @id and server = @home and state not in {FinalStates}",
            ("id", id),
            ("home", home),
            ("state", RunWord.Of(outcome.State)),
            ("outcome", JsonSerializer.Serialize(outcome, RunJson.Default.RunOutcome)),
            ("now", Text(time.GetUtcNow()))) == 1;
        if (isFirst)
        {
            Database.Execute(connection, "delete from run_files where run_id = @id", ("id", id));
        }

        transaction.Commit();
        return isFirst;
    }

    /// <summary>Records what clean-up came to.</summary>
    public void SetCleanup(string id, CleanupState state) => database.Execute(
        "update runs set cleanup = @state where id = @id and server = @home",
        ("id", id),
        ("home", home),
        ("state", Word(state)));

    /// <summary>Asks for a stop. A harder request is never softened, and a final run is left alone.</summary>
    public void RequestCancel(string id, CancelLevel level) => database.Execute(
        $"update runs set cancel = @level where id = @id and cancel < @level and state not in {FinalStates}",
        ("id", id),
        ("level", (int)level));

    /// <summary>What stop was asked for so far.</summary>
    public CancelLevel ReadCancel(string id) => database.Query(
        "select cancel from runs where id = @id", row => (CancelLevel)row.GetInt32(0), ("id", id)).FirstOrDefault();

    private int InsertOrRefuse(DbConnection connection, RunRecord run)
    {
        var (plan, ticket) = (run.Plan, run.Plan.Ticket);
        try
        {
            return Database.Execute(
                connection,
                """
                insert into runs (id, state, workflow, mode, repository, created_at, plan, progress,
                    via_server, priority, idempotency_key, request_hash, server, owner)
                select @id, 'queued', @workflow, @mode, @repository, @created, @plan, @progress,
                    @via, @priority, @key, @hash, @server, @owner
                where @most < 0 or (select count(*) from runs where state = 'queued' and via_server = 1) < @most
                """,
                ("id", run.Id),
                ("workflow", plan.Workflow),
                ("mode", plan.Mode),
                ("repository", plan.Repository),
                ("created", Text(run.CreatedAt)),
                ("plan", JsonSerializer.Serialize(plan, RunJson.Default.RunPlan)),
                ("progress", JsonSerializer.Serialize(run.Progress, RunJson.Default.RunProgress)),
                ("via", ticket.ViaServer ? 1 : 0),
                ("priority", ticket.Priority),
                ("key", ticket.StoredKey),
                ("hash", ticket.RequestHash),
                ("server", run.Server),
                ("owner", ticket.CreatedBy),
                ("most", ticket.QueueLimit ?? -1));
        }
        catch (DbException taken) when (database.IsDuplicate(taken))
        {
            throw new KeyTakenException(taken);
        }
    }

    private static FailureException QueueFull(int most) => new(
        "queue_full",
        $"{most} runs wait already, and no more may.",
        "Try again when some of them have started.",
        Fault.Nobody);

    private List<RunRecord> Query(string sql, params ReadOnlySpan<(string Name, object? Value)> values) =>
        database.Query(sql, Read, values);

    private static WaitingFiles ReadFiles(DbDataReader row) => new(
        row.GetFieldValue<byte[]>(0),
        row.IsDBNull(1) ? null : row.GetString(1),
        row.IsDBNull(2) ? null : row.GetString(2),
        JsonSerializer.Deserialize(row.GetString(3), RunJson.Default.WaitingEnvironment)!);

    private static RunRecord Read(DbDataReader row) => new()
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
        Server = row.IsDBNull(10) ? null : row.GetString(10),
    };

    private static string Word<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    private static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private static DateTimeOffset Time(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    /// <summary>There is a run of an idempotency key.</summary>
    internal sealed class KeyTakenException(Exception inner) : Exception("The key is taken.", inner);
}
