using Berth.Engine.Budgets;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Network;

namespace Berth.Engine.Runs;

/// <summary>Everything decided about a run before it was created. Immutable and free of secrets.</summary>
/// <remarks>
/// The prompt, system prompt and MCP servers are files of the run directory; secret values are in its secrets file.
/// </remarks>
internal sealed record RunPlan
{
    public required string Workflow { get; init; }

    /// <summary>The folder that the workflow came from.</summary>
    public required string WorkflowFolder { get; init; }

    public required string Mode { get; init; }

    /// <summary>Why it runs there, in words.</summary>
    public required string ModeReason { get; init; }

    /// <summary>The repository's path or canonical URL.</summary>
    public required string Repository { get; init; }

    /// <summary>The branch, tag or commit asked for, or null for the repository's own choice.</summary>
    public string? Ref { get; init; }

    /// <summary>The folder of the repository that it begins in; empty for the top, as in a run of an older
    /// version.</summary>
    public string Directory
    {
        get;
        init => field = value ?? string.Empty;
    } = string.Empty;

    /// <summary>The result branch.</summary>
    public required string Branch { get; init; }

    /// <summary>Where the result branch is pushed to: a URL or a path. Null for nowhere.</summary>
    public string? PushRemote { get; init; }

    /// <summary>The pull request that is opened for the pushed branch, if the agent succeeds; null for none.</summary>
    public PullRequestPlan? PullRequest { get; init; }

    /// <summary>The run whose conversation it goes on with, or null for a new one.</summary>
    public string? ContinuedFrom { get; init; }

    /// <summary>Claude's conversation id, chosen by us.</summary>
    public required string SessionId { get; init; }

    public required IReadOnlyList<string> AllowedTools { get; init; }

    public PermissionMode PermissionMode { get; init; } = PermissionMode.DontAsk;

    /// <summary>How long a tool call waits for a decision; null where nobody is asked.</summary>
    public TimeSpan? ApprovalTimeout { get; init; }

    /// <summary>Whether a decision is for somebody else than who asked for the run.</summary>
    public bool ApprovalsByOther { get; init; }

    public Trust Trust { get; init; } = Trust.Instructions;

    public SandboxKind Sandbox { get; init; } = SandboxKind.Bubblewrap;

    /// <summary>The image, in Docker mode.</summary>
    public string? Image { get; init; }

    public string? Model { get; init; }

    public int? MaxTurns { get; init; }

    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>The most tokens, read and written, of the whole conversation; null for no limit.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>What the runs have spent whose conversation it goes on with; null where there are none.</summary>
    public Spending? SpentBefore { get; init; }

    /// <summary>The budgets of a day that it spends of, as they were when it was asked for.</summary>
    public IReadOnlyList<BudgetRule> DayBudgets
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>How long the agent may run. 1 second to 24 hours.</summary>
    public required TimeSpan Timeout { get; init; }

    /// <summary>After how long without output the agent is stopped; null for never.</summary>
    public TimeSpan? IdleStop { get; init; }

    /// <summary>What it may reach beyond the model. A run of an older version reached nothing.</summary>
    public NetworkPolicy Network
    {
        get;
        init => field = value ?? NetworkPolicy.None;
    } = NetworkPolicy.None;

    /// <summary>Server tools of the model's service that its workflow permits. A run of an older version has
    /// none.</summary>
    public IReadOnlyList<string> ModelTools
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>Host folders that were asked for and permitted. A run of an older version had none.</summary>
    public IReadOnlyList<HostMount> Mounts
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>How much <c>/tmp</c> may hold; null for the policy's own.</summary>
    public long? TempBytes { get; init; }

    public long? MemoryBytes { get; init; }

    public int? Processes { get; init; }

    public decimal? Cpus { get; init; }

    /// <summary>Whether the workspace stays when the run has ended.</summary>
    public bool Keep { get; init; }

    /// <summary>The prompt's first line, shortened, for people and for the commit message.</summary>
    public required string Title { get; init; }

    /// <summary>The beginning of the prompt, redacted, at most 4 KiB; null in a run of an older version.</summary>
    public string? Message { get; init; }

    /// <summary>The names, not the values, of the variables given to the agent.</summary>
    public IReadOnlyList<string> EnvironmentNames { get; init; } = [];

    /// <summary>The host path of the CLI's binary.</summary>
    public required string ClaudeBinary { get; init; }

    /// <summary>The model's base URL: the next host, if this one dies, may be started with other settings.</summary>
    public required Uri Upstream { get; init; }

    /// <summary>Whether the model wants a credential. It is kept nowhere; a host without one cannot serve.</summary>
    public bool NeedsCredential { get; init; }

    public bool HasSystemPrompt { get; init; }

    public bool HasMcpConfig { get; init; }

    /// <summary>Whether its MCP servers may be programs of the workflow's folder, which the agent then reads in place.
    /// All else of a workflow is copied when the run is created.</summary>
    public bool NeedsWorkflowFolder { get; init; }

    /// <summary>How it came here. A run of an older version came from a terminal.</summary>
    public RunTicket Ticket
    {
        get;
        init => field = value ?? RunTicket.Own;
    } = RunTicket.Own;

    /// <summary>Things that the user should know before the run begins.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];
}

/// <summary>What a pull request is to say, as templates.</summary>
/// <param name="Title">Its title.</param>
/// <param name="Body">Its text.</param>
internal sealed record PullRequestPlan(string Title, string Body)
{
    /// <summary>Whether it is a draft.</summary>
    public bool IsDraft { get; init; }

    /// <summary>Its labels. A run of an older version had none.</summary>
    public IReadOnlyList<string> Labels
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>Who is asked to review it.</summary>
    public IReadOnlyList<string> Reviewers
    {
        get;
        init => field = value ?? [];
    } = [];
}
