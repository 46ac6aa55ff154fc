using Berth.Engine.Runs;

namespace Berth.Engine;

/// <summary>
/// What somebody asks for: one run of a workflow. Null means: the workflow's choice, else the settings', else the
/// default.
/// </summary>
internal sealed record RunRequest
{
    public required string Workflow { get; init; }

    /// <summary>The prompt. 1 byte to 9 MiB of UTF-8 without NUL.</summary>
    public required string Message { get; init; }

    /// <summary>A path or URL; null for the repository of <see cref="CurrentDirectory"/>.</summary>
    public string? Repository { get; init; }

    public required string CurrentDirectory { get; init; }

    public string? Ref { get; init; }

    /// <summary>The folder of the repository to begin in; null for the workflow's, else for where
    /// <see cref="CurrentDirectory"/> or <see cref="Repository"/> is in it.</summary>
    public string? Directory { get; init; }

    public string? Branch { get; init; }

    /// <summary>local, docker or auto.</summary>
    public string? Mode { get; init; }

    public string? Model { get; init; }

    /// <summary>1 to 1000.</summary>
    public int? MaxTurns { get; init; }

    /// <summary>US dollars; more than 0, at most 10,000.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>Tokens read and written in the whole conversation; 1 to 1,000,000,000,000.</summary>
    public long? MaxTokens { get; init; }

    /// <summary>1 second to 24 hours.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>
    /// Variables for the agent; they outrank the workflow's. Values are redacted in everything that is shown.
    /// </summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The image of a run in Docker mode; null for the workflow's or the settings' one.</summary>
    public string? Image { get; init; }

    /// <summary>Whether somebody else has to decide on its tool calls; the workflow may ask for that too.</summary>
    public bool ApprovalsByOther { get; init; }

    /// <summary>bubblewrap or none.</summary>
    public string? Sandbox { get; init; }

    /// <summary>none, allowlist or open.</summary>
    public string? Network { get; init; }

    /// <summary>Hosts that the run may reach, beside the workflow's; without <see cref="Network"/> they mean
    /// allowlist.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Host folders that the run is to have beside the workflow's: <c>HOST[:INSIDE][:ro|:rw]</c>.</summary>
    public IReadOnlyList<string> Mounts { get; init; } = [];

    /// <summary>none, instructions or full.</summary>
    public string? Trust { get; init; }

    /// <summary>Whether the workspace stays; null for the settings' choice.</summary>
    public bool? Keep { get; init; }

    /// <summary>The run to go on with: its conversation, and where neither is named its repository and its last
    /// commit.</summary>
    public string? Continue { get; init; }

    /// <summary>Whether the result branch is pushed to the repository's remote. Default: it is not.</summary>
    public bool Push { get; init; }

    /// <summary>Whether a pull request is opened for the pushed branch; it is pushed then in any case.</summary>
    public bool PullRequest { get; init; }

    /// <summary>Whether it is a draft; null for the workflow's choice.</summary>
    public bool? PullRequestDraft { get; init; }

    /// <summary>Its labels, beside the workflow's.</summary>
    public IReadOnlyList<string> PullRequestLabels { get; init; } = [];

    /// <summary>Who is asked to review it, beside the workflow's.</summary>
    public IReadOnlyList<string> PullRequestReviewers { get; init; } = [];

    /// <summary>What else is said of a run that comes by a server.</summary>
    public RunTicket Ticket { get; init; } = RunTicket.Own;
}
