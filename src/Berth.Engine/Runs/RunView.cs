using Berth.Engine.Claude;
using Berth.Engine.Network;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>A run as users see it: the one object that <c>--json</c> prints. Its field names are a promise.</summary>
internal sealed record RunView
{
    public required string Id { get; init; }

    public required RunState State { get; init; }

    public required string Workflow { get; init; }

    /// <summary>The first line of what was asked, shortened and redacted.</summary>
    public string Title { get; init; } = string.Empty;

    /// <summary>What was asked, redacted and cut at 4 KiB; null for a run of an older version.</summary>
    public string? Message { get; init; }

    public required string Mode { get; init; }

    public required string ModeReason { get; init; }

    /// <summary>The folder of the repository that it begins in; <c>.</c> for the top.</summary>
    public string Directory { get; init; } = ".";

    public required string SessionId { get; init; }

    /// <summary>The run whose conversation it goes on with; null for a new one.</summary>
    public string? ContinuedFrom { get; init; }

    public string? Result { get; init; }

    /// <summary>Whether the run is final and not a success.</summary>
    public required bool IsError { get; init; }

    public Failure? Error { get; init; }

    public int? ExitCode { get; init; }

    public int? Signal { get; init; }

    public int Turns { get; init; }

    public int? MaxTurns { get; init; }

    /// <summary>Tokens read and written in the whole conversation; null for no limit.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>US dollars for the whole conversation; null for no limit.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    public decimal CostUsd { get; init; }

    public required TokenCounts Tokens { get; init; }

    public required IReadOnlyList<PermissionDenial> PermissionDenials { get; init; }

    /// <summary>The tool calls that wait for somebody's decision.</summary>
    public IReadOnlyList<WaitingCall> Approvals { get; init; } = [];

    /// <summary><c>anyone</c> or <c>other</c>: who may decide on them.</summary>
    public string ApprovalsBy { get; init; } = "anyone";

    public string? Model { get; init; }

    public string? CliVersion { get; init; }

    public required string Repository { get; init; }

    public string? BaseCommit { get; init; }

    public string? HeadCommit { get; init; }

    /// <summary>The result branch, or null where the run changed nothing.</summary>
    public string? Branch { get; init; }

    /// <summary>What else was made of the agent's: its other branches, stashes and tags as <c>BRANCH-NAME</c>, and one
    /// commit under <c>refs/berth/leftovers/</c> that leads to what no branch of it led to.</summary>
    public IReadOnlyList<DeliveredRef> Refs { get; init; } = [];

    /// <summary>What came of pushing it; null where nobody asked for that, and before it was tried.</summary>
    public PushRecord? Push { get; init; }

    public required IReadOnlyList<WorkCommit> Commits { get; init; }

    public required IReadOnlyList<ChangedFile> FilesChanged { get; init; }

    /// <summary>Where in the changes a secret is that the run was given with its request:
    /// <c>FILE:LINE (commit ID)</c>.</summary>
    public IReadOnlyList<string> SecretsInChanges { get; init; } = [];

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>From creation to the recorded end, in milliseconds; null while it goes on.</summary>
    public long? DurationMs { get; init; }

    public required PhaseTimes PhasesMs { get; init; }

    /// <summary>The workspace, where it still exists. Never run git in it outside a sandbox.</summary>
    public string? WorkspacePath { get; init; }

    public required CleanupView Cleanup { get; init; }

    public required string Sandbox { get; init; }

    public required string Trust { get; init; }

    public required IReadOnlyList<string> Warnings { get; init; }

    public required GatewayCounts Gateway { get; init; }

    public required NetworkView Network { get; init; }

    /// <summary>Host folders that it has: <c>HOST:INSIDE:ro</c> or <c>rw</c>.</summary>
    public IReadOnlyList<string> Mounts { get; init; } = [];

    /// <summary>The token's name that a run was asked for with at a server; null for the machine's own user.</summary>
    public string? CreatedBy { get; init; }

    public int Priority { get; init; }

    public IReadOnlyDictionary<string, string> Labels { get; init; } = RunTicket.Own.Labels;

    /// <summary>The server whose the run is, of several that share a database; null while none has taken it, and where
    /// there is one only.</summary>
    public string? Server { get; init; }

    /// <summary>Makes the view of a record.</summary>
    /// <param name="run">The record.</param>
    /// <param name="workspace">The path of its workspace; named in the view only while it exists.</param>
    public static RunView Of(RunRecord run, string workspace)
    {
        var (outcome, work) = (run.Outcome, run.Progress.Work);
        return new RunView
        {
            Id = run.Id,
            State = run.State,
            Workflow = run.Plan.Workflow,
            Title = run.Plan.Title,
            Message = run.Plan.Message,
            Mode = run.Plan.Mode,
            ModeReason = run.Plan.ModeReason,
            Directory = run.Plan.Directory.Length == 0 ? "." : run.Plan.Directory,
            SessionId = run.Plan.SessionId,
            ContinuedFrom = run.Plan.ContinuedFrom,
            Result = outcome?.Result,
            IsError = run.State.IsFinal() && run.State != RunState.Succeeded,
            Error = outcome?.Error,
            ExitCode = outcome?.ExitCode,
            Signal = outcome?.Signal,
            Turns = outcome?.Turns ?? 0,
            MaxTurns = run.Plan.MaxTurns,
            MaxTokens = run.Plan.MaxTokens,
            MaxBudgetUsd = run.Plan.MaxBudgetUsd,
            CostUsd = outcome?.CostUsd ?? 0,
            Tokens = outcome?.Tokens ?? TokenCounts.None,
            PermissionDenials = outcome?.PermissionDenials ?? [],
            Approvals = run.State.IsFinal() ? [] : run.Progress.Approvals.Calls,
            ApprovalsBy = run.Plan.ApprovalsByOther ? "other" : "anyone",
            Model = outcome?.Model ?? run.Plan.Model,
            CliVersion = outcome?.CliVersion,
            Repository = run.Plan.Repository,
            BaseCommit = run.Progress.Workspace?.BaseCommit,
            HeadCommit = work?.HeadCommit,
            Branch = run.Progress.DeliveredBranch,
            Refs = run.Progress.Refs ?? [],
            Push = run.Progress.Push,
            Commits = work?.Commits ?? [],
            FilesChanged = work?.FilesChanged ?? [],
            SecretsInChanges = run.Progress.SecretPlaces,
            CreatedAt = run.CreatedAt,
            StartedAt = run.StartedAt,
            FinishedAt = run.FinishedAt,
            DurationMs = run.FinishedAt is { } end ? (long)(end - run.CreatedAt).TotalMilliseconds : null,
            PhasesMs = run.Progress.Phases,
            WorkspacePath = System.IO.Directory.Exists(workspace) ? workspace : null,
            Cleanup = new CleanupView(run.Cleanup, run.Progress.Leaked),
            Sandbox = run.Plan.Sandbox.ToString().ToLowerInvariant(),
            Trust = run.Plan.Trust.ToString().ToLowerInvariant(),
            Warnings = WarningsOf(run),
            Gateway = run.Progress.Gateway,
            CreatedBy = run.Plan.Ticket.CreatedBy,
            Priority = run.Plan.Ticket.Priority,
            Labels = run.Plan.Ticket.Labels,
            Server = run.Server is HomeName.Alone ? null : run.Server,
            Mounts = [.. run.Plan.Mounts.Select(mount => mount.ToString())],
            Network = new NetworkView(run.Plan.Network.Mode, run.Plan.Network.Hosts, run.Progress.Network)
                { ModelTools = run.Plan.ModelTools },
        };
    }

    private static IReadOnlyList<string> WarningsOf(RunRecord run) =>
    [
        .. run.Plan.Notices, .. run.Outcome?.Warnings ?? [], .. run.Progress.Artefacts?.LeftOut ?? [],
        .. run.Progress.Push?.Notices() ?? [],
    ];
}

/// <summary>What the run may reach beyond the model, and what it did through the egress proxy.</summary>
internal sealed record NetworkView(NetworkMode Mode, IReadOnlyList<string> Hosts, NetworkCounts Counts)
{
    /// <summary>Server tools that the model's service may run for the agent.</summary>
    public IReadOnlyList<string> ModelTools { get; init; } = [];
}

/// <summary>What clean-up came to, and what it had to leave.</summary>
internal sealed record CleanupView(CleanupState State, IReadOnlyList<string> Leaked);

/// <summary>A page of runs.</summary>
/// <param name="Runs">The runs.</param>
/// <param name="Next">What to say as <c>cursor</c> for the next page; null where there is none.</param>
internal sealed record RunPage(IReadOnlyList<RunView> Runs, string? Next);
