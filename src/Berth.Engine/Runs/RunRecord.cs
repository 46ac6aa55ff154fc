using System.Text.Json.Serialization;
using Berth.Engine.Budgets;
using Berth.Engine.Claude;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine.Runs;

/// <summary>One run as the database has it.</summary>
internal sealed record RunRecord
{
    public required string Id { get; init; }

    public required RunState State { get; init; }

    public required RunPlan Plan { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public CancelLevel Cancel { get; init; }

    public CleanupState Cleanup { get; init; }

    public RunProgress Progress { get; init; } = new();

    public RunOutcome? Outcome { get; init; }

    /// <summary>The home where its directory is; null while it waits in a shared database for one to take
    /// it.</summary>
    public string? Server { get; init; }
}

/// <summary>How hard a run is to be stopped.</summary>
internal enum CancelLevel
{
    None = 0,

    /// <summary>Ask, and keep the work.</summary>
    Soft = 1,

    /// <summary>Take.</summary>
    Hard = 2,
}

/// <summary>How far the flow of a run has come; written by its host only, after each step.</summary>
internal sealed record RunProgress
{
    /// <summary>What step 2 made, or null before that.</summary>
    public PreparedWorkspace? Workspace { get; init; }

    /// <summary>Whether the executor was asked to start it: from then on it is never prepared anew.</summary>
    public bool StartIntended { get; init; }

    /// <summary>The commits that were found, or null.</summary>
    public CollectedWork? Work { get; init; }

    /// <summary>Whether step 6 is done: <see cref="Work"/> says what it came to.</summary>
    public bool Collected { get; init; }

    /// <summary>Whether capture had to leave something in the workspace, which therefore stays.</summary>
    public bool WorkspaceHoldsMore { get; init; }

    /// <summary>Whether work may be in the workspace that is nowhere else.</summary>
    [JsonIgnore]
    public bool IsUndelivered => WorkspaceHoldsMore || (StartIntended && !Collected);

    /// <summary>The branch that was really made, or null.</summary>
    public string? DeliveredBranch { get; init; }

    /// <summary>What else was made of the agent's: other branches, tags, leftovers; null before that. A run of an older
    /// version has none.</summary>
    public IReadOnlyList<DeliveredRef>? Refs { get; init; }

    /// <summary>What came of pushing that branch, or null before and where nobody asked for it.</summary>
    public PushRecord? Push { get; init; }

    /// <summary>Where in its changes a secret is that nobody knows after the run's end. A run of an older version has
    /// none.</summary>
    public IReadOnlyList<string> SecretPlaces
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>What was taken over of the agent's artefacts; null before that.</summary>
    public ArtefactRecord? Artefacts { get; init; }

    /// <summary>Whether the pins of its commits in the mirror were removed, by <c>berth cleanup</c>.</summary>
    public bool Released { get; init; }

    /// <summary>How long each phase took, in milliseconds.</summary>
    public PhaseTimes Phases { get; init; } = new();

    /// <summary>When each phase began. A run of an older version has none.</summary>
    public PhaseStarts Begun
    {
        get;
        init => field = value ?? new();
    } = new();

    /// <summary>What clean-up could not remove.</summary>
    public IReadOnlyList<string> Leaked { get; init; } = [];

    /// <summary>How often a host took the run over from one that had died.</summary>
    public int Adoptions { get; init; }

    /// <summary>What the gateway itself counted. An adopted run's counts go on from here.</summary>
    public GatewayCounts Gateway { get; init; } = new();

    /// <summary>Calls of the model whose cost is not known yet: a host that finds some that it has not sent itself
    /// charges them. A run of an older version has none.</summary>
    public IReadOnlyList<PendingCall> PendingCalls
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>The tool calls that wait for somebody's decision. A run of an older version has none.</summary>
    public WaitingCalls Approvals
    {
        get;
        init => field = value ?? WaitingCalls.None;
    } = WaitingCalls.None;

    /// <summary>The budget by which a call of its model was stopped first, or null.</summary>
    public BudgetStop? BudgetStop { get; init; }

    /// <summary>What the egress proxy counted, likewise. A run of an older version had none.</summary>
    public NetworkCounts Network
    {
        get;
        init => field = value ?? new();
    } = new();
}

/// <summary>How long each phase took, in milliseconds; null where it did not happen.</summary>
internal sealed record PhaseTimes
{
    public long? Prepare { get; init; }

    public long? Start { get; init; }

    public long? Run { get; init; }

    public long? Capture { get; init; }

    public long? Deliver { get; init; }

    public long? Push { get; init; }

    public long? Cleanup { get; init; }
}

/// <summary>When each phase began, for its span in a trace; capture begins where the run ends.</summary>
internal sealed record PhaseStarts
{
    public DateTimeOffset? Prepare { get; init; }

    public DateTimeOffset? Start { get; init; }

    public DateTimeOffset? Run { get; init; }

    public DateTimeOffset? Deliver { get; init; }

    public DateTimeOffset? Push { get; init; }

    public DateTimeOffset? Cleanup { get; init; }
}

/// <summary>What passed through the gateway: counted where the agent cannot forge it.</summary>
internal sealed record GatewayCounts(long Requests = 0, long InputTokens = 0, long OutputTokens = 0, long Refusals = 0)
{
    /// <summary>Of the tokens read, those that came from the cache. A run of an older version has none.</summary>
    public long CacheReadTokens { get; init; }

    /// <summary>Of the tokens read, those that were written to the cache, likewise.</summary>
    public long CacheWriteTokens { get; init; }

    /// <summary>Of those, the ones that are kept for an hour.</summary>
    public long CacheWrite1hTokens { get; init; }

    /// <summary>Whole answers in the main conversation, likewise.</summary>
    public long Turns { get; init; }

    /// <summary>US dollars, likewise.</summary>
    public decimal CostUsd { get; init; }

    /// <summary>Of the requests, those whose real usage nobody learnt: they count as the most they could come to.
    /// A run of an older version has none.</summary>
    public long EstimatedCalls { get; init; }

    /// <summary>Of <see cref="CostUsd"/>, what is such an estimate.</summary>
    public decimal EstimatedCostUsd { get; init; }

    /// <summary>Requests of the agent's that the gateway did not forward.</summary>
    public long RefusedRequests { get; init; }
}

/// <summary>What passed through the egress proxy, and what did not.</summary>
internal sealed record NetworkCounts(long Connections = 0, long Refusals = 0, long BytesUp = 0, long BytesDown = 0);

/// <summary>How a run ended. Written once.</summary>
internal sealed record RunOutcome
{
    public required RunState State { get; init; }

    /// <summary>Why it is not a success, or null.</summary>
    public Failure? Error { get; init; }

    /// <summary>The agent's last words.</summary>
    public string? Result { get; init; }

    public int? ExitCode { get; init; }

    public int? Signal { get; init; }

    public int Turns { get; init; }

    public decimal CostUsd { get; init; }

    public TokenCounts Tokens { get; init; } = TokenCounts.None;

    public IReadOnlyList<PermissionDenial> PermissionDenials { get; init; } = [];

    /// <summary>The model that answered.</summary>
    public string? Model { get; init; }

    public string? CliVersion { get; init; }

    /// <summary>What is worth knowing although it did not decide the outcome.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
