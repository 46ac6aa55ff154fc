using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Berth.Server.Compatibility;

/// <summary>The answer to a request for a run, as callers of the earlier agent know it.</summary>
internal sealed record AgentRunAnswer(
    string RunId, string Status, string Message, string SessionId, string WorkflowName, DateTimeOffset StartedAt);

/// <summary>Where a run stands, likewise.</summary>
internal sealed record AgentRunStatus
{
    public required string RunId { get; init; }

    /// <summary>pending, running, completed or failed.</summary>
    public required string Status { get; init; }

    public required string SessionId { get; init; }

    public required string WorkflowName { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public DateTimeOffset? UpdatedAt { get; init; }

    /// <summary>In Docker mode.</summary>
    public string? ContainerId { get; init; }

    /// <summary>Seconds from the request to the end.</summary>
    public double? ExecutionTime { get; init; }

    public string? Result { get; init; }

    public int? ExitCode { get; init; }

    public required IReadOnlyList<string> GitCommits { get; init; }

    /// <summary>The state of Berth's and why, where it is no success.</summary>
    public string? Error { get; init; }

    /// <summary>The end of what the CLI printed, when the run has ended.</summary>
    public string? Logs { get; init; }
}

/// <summary>A workflow, likewise.</summary>
internal sealed record AgentWorkflow(string Name, string Description, string Path, bool Valid);

/// <summary>How the agent is, likewise.</summary>
/// <param name="Status">healthy or error.</param>
/// <param name="Timestamp">Now.</param>
/// <param name="AgentAvailable">Whether a run can work in one mode at least.</param>
/// <param name="Workflows">Each with whether it is valid.</param>
/// <param name="ContainerManager">Whether Docker can be used.</param>
/// <param name="FeatureEnabled">Always: a server that is off does not answer.</param>
internal sealed record AgentHealth(
    string Status, DateTimeOffset Timestamp, bool AgentAvailable, IReadOnlyDictionary<string, bool> Workflows,
    bool ContainerManager, bool FeatureEnabled);

/// <summary>How they are written: snake_case.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(AgentRunAnswer))]
[JsonSerializable(typeof(AgentRunStatus))]
[JsonSerializable(typeof(AgentHealth))]
[JsonSerializable(typeof(IReadOnlyList<AgentWorkflow>))]
internal sealed partial class AgentJson : JsonSerializerContext
{
    /// <summary>The same with plain characters.</summary>
    public static AgentJson Readable => field ??= new(new JsonSerializerOptions(Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
