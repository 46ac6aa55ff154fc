using System.Data.Common;
using Berth.Engine.Access;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Engine.Storage;
using Berth.Engine.Transcripts;
using Berth.Engine.Webhooks;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Composition, and the face that the program sees.</summary>
internal sealed class BerthEngine
{
    private const int MaxListed = 1000;

    // A host that dies again and again meets a defect, and another one would too.
    private const int MaxRevivals = 3;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    // Cleaning up a small run takes 20 ms.
    private static readonly TimeSpan PollAtTheEnd = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan OverInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Recent = TimeSpan.FromHours(24);

    // A host that was just started needs a moment to take its lock.
    private static readonly TimeSpan HostStartGrace = TimeSpan.FromSeconds(10);

    private readonly BerthOptions options;
    private readonly TimeProvider time;
    private readonly RunStore runs;
    private readonly RunDirectories directories;
    private readonly JournalReader journals;
    private readonly RepositoryWorkspaces workspaces;
    private readonly ExecutorFactory executors;
    private readonly RunHosts hosts;
    private readonly JournalFeeds feeds;

    private BerthEngine(BerthOptions options, TimeProvider time)
    {
        this.options = options;
        this.time = time;
        Directory.CreateDirectory(
            options.Home,
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var database = Database.Open(Path.Combine(options.Home, "berth.db"), options.Database);
        var home = database.IsShared ? HomeName.Of(options.Home) : HomeName.Alone;
        runs = new RunStore(database, home, time);
        Tokens = new TokenStore(database, time);
        Audit = new AuditStore(database, time);
        Counts = new RunCountStore(database);
        Webhooks = new WebhookStore(database, time);
        directories = new RunDirectories(Path.Combine(options.Home, "runs"), options.RunsRoot);
        Queue = new SharedQueue(
            options, home, runs, directories, new ServerStore(database, time));
        hosts = new RunHosts(options, directories);
        journals = new JournalReader(time);
        feeds = new JournalFeeds(time);
        Workflows = new WorkflowCatalog(new WorkflowOptions { Folders = options.WorkflowFolders });
        OwnWorkflows = new OwnWorkflows(Workflows, Path.Combine(options.Home, "workflows"));
        workspaces = new RepositoryWorkspaces(
            new WorkspaceOptions
            {
                MirrorsFolder = Path.Combine(options.Home, "mirrors"),
                UseMirror = options.UseMirror
            },
            new GitProgram(options.Git, new ProcessRunner(time)),
            time);
        Places = new ExecutionPlaces(options, directories, journals, time);
        executors = Places.Executors;
        Shown = new ShownSecrets(options, directories, Workflows);
        Talk = new RunTalk(runs, directories, executors, journals, Audit, time);
        Artefacts = new RunArtefacts(runs, directories, workspaces);
    }

    /// <summary>The workflows that there are.</summary>
    public WorkflowCatalog Workflows { get; }

    /// <summary>Those of the home, for writing.</summary>
    public OwnWorkflows OwnWorkflows { get; }

    /// <summary>Who may ask a server.</summary>
    public TokenStore Tokens { get; }

    /// <summary>Who asked what of one.</summary>
    public AuditStore Audit { get; }

    /// <summary>Which run is whose, where several homes share the database.</summary>
    public SharedQueue Queue { get; }

    /// <summary>How many runs there are.</summary>
    public RunCountStore Counts { get; }

    /// <summary>What runs have left to be downloaded.</summary>
    public RunArtefacts Artefacts { get; }

    /// <summary>What has to be told of runs.</summary>
    public WebhookStore Webhooks { get; }

    /// <summary>How many read a journal at this moment.</summary>
    public int JournalReaders => feeds.Readers;

    /// <summary>Opens the engine on a home, which is made where there is none.</summary>
    /// <exception cref="FailureException"><c>database_newer</c>, <c>database_busy</c>, <c>database_corrupt</c>,
    /// <c>database_full</c>, <c>database_read_only</c>, <c>database_unusable</c>.</exception>
    public static BerthEngine Open(BerthOptions options, TimeProvider time)
    {
        try
        {
            return new(options, time);
        }
        catch (FailureException failed) when (failed is { InnerException: DbException error }
            && failed.Failure.Code is not "database_full")
        {
            throw new FailureException(DatabaseFailures.Of(error, Path.Combine(options.Home, "berth.db")), error);
        }
    }

    /// <summary>Checks a request, creates the run, and starts its host.</summary>
    /// <exception cref="FailureException">The request is refused; nothing was created.</exception>
    public async Task<RunView> SubmitAsync(RunRequest request, CancellationToken cancel)
    {
        var run = await SubmissionOf().CreateAsync(RunId.New(time), request, cancel);
        hosts.Start(run.Id);
        return ViewOf(run);
    }

    /// <summary>Checks a request and creates the run, which then waits for a dispatcher.</summary>
    /// <exception cref="FailureException">The request is refused; nothing was created.</exception>
    public async Task<AcceptedRun> AcceptAsync(RunRequest request, CancellationToken cancel)
    {
        var (run, isNew) = await SubmissionOf().AcceptAsync(RunId.New(time), request, cancel);
        return new AcceptedRun(ViewOf(run), isNew);
    }

    /// <summary>The runs that wait for a dispatcher, the most urgent and then the oldest first.</summary>
    public IReadOnlyList<WaitingRun> ListWaiting(int limit) => runs.ListWaiting(limit);

    /// <summary>A page of runs.</summary>
    public IReadOnlyList<RunView> List(RunFilter filter) => [.. runs.List(filter).Select(ViewOf)];

    /// <summary>A run by its whole id, or null.</summary>
    public RunView? Find(string id) => runs.Find(id) is { } run ? ViewOf(run) : null;

    /// <inheritdoc cref="RunLookup.OfSession"/>
    public RunView FindBySession(string id) => ViewOf(RunLookup.OfSession(runs, id));

    /// <summary>A run as the database has it, or null.</summary>
    public RunRecord? Record(string id) => runs.Find(id);

    /// <summary>Finds a run by its id, a prefix of it or its last characters.</summary>
    /// <exception cref="FailureException"><c>run_not_found</c>, <c>run_ambiguous</c>.</exception>
    public RunView Resolve(string fragment) => ViewOf(RunLookup.Resolve(runs, fragment));

    /// <summary>Runs, newest first; without <paramref name="all"/> the open ones and those of 24 hours.</summary>
    public IReadOnlyList<RunView> List(bool all)
    {
        var since = time.GetUtcNow() - Recent;
        return [.. runs.List(unfinishedOnly: false, MaxListed).Where(run => all
            || !(run.FinishedAt < since)).Select(ViewOf)];
    }

    /// <summary>Reads what a run said, and follows it to its end where asked.</summary>
    public IAsyncEnumerable<JournalEntry> ReadLogAsync(string id, long after, bool follow, CancellationToken cancel) =>
        journals.ReadAsync(directories.Of(id), after, follow ? IsOverAsSeen(id) : null, cancel);

    /// <summary>The container of a run in Docker mode, as long as its directory knows it; or null.</summary>
    public string? ContainerOf(string id) => ContainerRecord.Of(directories.Of(id))?.ContainerId;

    /// <summary>Writes what the CLI of a run printed, as it printed it.</summary>
    public async Task WriteRawLogAsync(string id, bool follow, Stream output, CancellationToken cancel)
    {
        var lines = new RawLines(directories.Of(id), output);
        await foreach (var entry in ReadLogAsync(id, after: 0, follow, cancel))
        {
            await lines.WriteAsync(entry, cancel);
        }
    }

    /// <summary>A run's journal for reading it as it is. Dispose of the lease when done.</summary>
    public JournalFeeds.Lease OpenJournal(string id) => feeds.Open(
        directories.Of(id).JournalFile,
        () => IsDone(id));

    /// <summary>Waits until a run is final and cleaned up. A host that dies meanwhile is replaced.</summary>
    public async Task<RunView> WaitAsync(string id, CancellationToken cancel)
    {
        using var poll = new PeriodicTimer(Poll, time);
        var hostSeen = time.GetTimestamp();
        var revivals = 0;
        for (var run = runs.Find(id)!; ; run = runs.Find(id)!)
        {
            if (run.State.IsFinal() && run.Cleanup != CleanupState.Pending)
            {
                return ViewOf(run);
            }

            poll.Period = run.State.IsFinal() ? PollAtTheEnd : Poll;
            if (LockFile.IsHeld(directories.HostLock(id)))
            {
                hostSeen = time.GetTimestamp();
            }
            else if (time.GetElapsedTime(hostSeen) > HostStartGrace)
            {
                if (revivals++ == MaxRevivals)
                {
                    throw new FailureException(
                        "host_keeps_dying",
                        $"The host of run {id} has died {MaxRevivals} times.",
                        $"See {directories.HostLog(id)}; the run and its work are kept.",
                        Fault.Berth);
                }

                hosts.Start(id);
                hostSeen = time.GetTimestamp();
            }

            await poll.WaitForNextTickAsync(cancel);
        }
    }

    /// <summary>Asks for a stop, durably, and makes sure that somebody acts on it.</summary>
    public async Task RequestCancelAsync(string id, bool force, CancellationToken cancel)
    {
        try
        {
            runs.RequestCancel(id, force ? CancelLevel.Hard : CancelLevel.Soft);
            CancelWatch.Wake(directories.Of(id), time);
        }
        catch (DbException full) when (RoomToFinish.IsFull(full) && runs.Find(id) is { } run)
        {
            // The run may be what fills the disk, so it is stopped without a record; its supervisor keeps the cause.
            var executor = executors.CreateExecutor(run.Plan.Mode, "the run's record").Executor;
            _ = await executor.CancelExecutionAsync(id, force, cancel);
        }

        AdoptOrphans();
    }

    /// <summary>Starts a host for each open run that has none.</summary>
    /// <returns>How many.</returns>
    public int AdoptOrphans()
    {
        var orphans = ServerLock.IsHeld(options.Home) ? [] : ListOrphans();
        foreach (var id in orphans)
        {
            hosts.Start(id);
        }

        return orphans.Count;
    }

    /// <summary>The open runs that nobody looks after, and that do not wait for a dispatcher.</summary>
    public IReadOnlyList<string> ListOrphans() =>
    [
        .. from run in runs.ListOpen()
           where CanServe(run) && !WaitsForDispatcher(run) && !LockFile.IsHeld(directories.HostLock(run.Id))
           select run.Id,
    ];

    /// <summary>The host of one run: its whole flow. Returns at once where the run has a host already.</summary>
    /// <returns>Whether this process was the host.</returns>
    public async Task<bool> HostAsync(string id, CancellationToken stop)
    {
        if (!Queue.Take(id))
        {
            return false;
        }

        using var held = await LockFile.TakeAsync(directories.HostLock(id), LockPatience, time, stop);
        if (held is null || runs.Find(id) is not { } run)
        {
            return false;
        }

        var agent = new ClaudeCodeAgent(options, runs, directories, workspaces, executors, time)
        {
            Audit = Audit,
            Shown = Shown,
        };
        try
        {
            var room = new RoomToFinish(directories.Of(id).Root, directories.HostLog(id), time);
            await room.RunAsync(() => agent.RunAsync(runs.Find(id) ?? run, stop), stop);

            // The run is over, and whoever cleans up after it need not wait for what the next one is to have.
            held.Dispose();
            await new WarmRefill(options, runs, directories, Places.NewWarmPool()).RunAsync(id, stop); // (10)
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The run goes on under its supervisor; the next command adopts it.
        }
        catch (RunTakenException)
        {
            held.Dispose();
            Queue.RemoveStale(id);
            return false;
        }

        return true;
    }

    /// <summary>Writes a run's changes as git shows them; nothing where there are none.</summary>
    /// <exception cref="FailureException"><c>changes_gone</c>: no repository has them any more.</exception>
    public Task WriteDiffAsync(string id, DiffOrder order, Stream output, CancellationToken cancel) =>
        RunDiff.WriteAsync(workspaces, runs.Find(id)!, order, output, cancel);

    /// <inheritdoc cref="RunPush.AgainAsync"/>
    public async Task<RunView> DeliverAsync(string id, bool allowSecrets, CancellationToken cancel)
    {
        await new RunPush(options, workspaces, directories, runs, time).AgainAsync(id, allowSecrets, cancel);
        return Find(id)!;
    }

    /// <summary>Removes what ended runs still have, or says what that is.</summary>
    /// <exception cref="FailureException"><c>run_not_final</c>.</exception>
    public Task<CleanupReport> CleanUpAsync(CleanupSelection selection, bool dryRun, CancellationToken cancel)
    {
        var cleanup = new RunCleanup(runs, directories, workspaces, Places, options.Retention, time);
        return cleanup.RunAsync(selection, dryRun, cancel);
    }

    /// <summary>What must not be shown of runs.</summary>
    public ShownSecrets Shown { get; }

    /// <summary>Talks to runs at work.</summary>
    public RunTalk Talk { get; }

    /// <inheritdoc cref="RunBudgets.Report"/>
    public BudgetReport Budgets() => new RunBudgets(options, runs.Spending).Report();

    /// <summary>What runs can run in, here.</summary>
    public ExecutionPlaces Places { get; }

    // Without the credential a host would fail the run's model calls; without a host they only wait for the next one.
    private bool CanServe(RunRecord run) =>
        run.State.IsFinal() || !run.Plan.NeedsCredential || options.Gateway.HasCredential;

    private RunSubmission SubmissionOf() => new(options, Workflows, workspaces, executors, directories, runs);

    private static bool WaitsForDispatcher(RunRecord run) =>
        run is { State: RunState.Queued, Plan.Ticket.ViaServer: true, Cancel: CancelLevel.None };

    // The journal itself says when it ends; this is for one that never will, and costs a query.
    private Func<bool> IsOverAsSeen(string id)
    {
        var seen = time.GetTimestamp();
        return () =>
        {
            if (time.GetElapsedTime(seen) < OverInterval)
            {
                return false;
            }

            seen = time.GetTimestamp();
            return IsOver(id);
        };
    }

    // A database that cannot be asked at this moment ends nobody's reading.
    private bool IsDone(string id)
    {
        try
        {
            return runs.Find(id) is not { } run || (run.State.IsFinal() && run.Cleanup != CleanupState.Pending);
        }
        catch (DbException)
        {
            return false;
        }
    }

    private bool IsOver(string id) => runs.Find(id) is not { } run || run.State.IsFinal();

    private RunView ViewOf(RunRecord run) => RunView.Of(run, directories.Of(run.Id).Workspace);
}
