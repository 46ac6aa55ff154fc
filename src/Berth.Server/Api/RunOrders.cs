using System.Security.Cryptography;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Server.Api;

/// <summary>Reads what somebody asks a server for, and refuses what his role does not reach.</summary>
/// <remarks>
/// A server works with rights that its callers do not have: it reads every repository of its user. So a path is an
/// operator's to name only where the server's owner has said so, and a run without a sandbox is the admin's alone.
/// </remarks>
internal static class RunOrders
{
    private const int LongestTimeout = 24 * 60 * 60;

    /// <summary>What a request may have; docs/openapi.json says what each is.</summary>
    internal static readonly string[] Fields =
    [
        "workflow", "message", "continueFrom", "repository", "ref", "directory", "branch", "mode", "model", "maxTurns",
        "maxTokens", "maxBudgetUsd", "timeoutSeconds", "env", "sandbox", "push", "pullRequest", "pullRequestDraft",
        "pullRequestLabels", "pullRequestReviewers", "keep", "labels", "idempotencyKey", "priority", "approvals",
    ];

    /// <summary>Reads a request.</summary>
    /// <param name="body">What was sent.</param>
    /// <param name="caller">By whom.</param>
    /// <param name="options">The settings.</param>
    /// <param name="runOf">The run that one goes on with, if the caller sees it.</param>
    /// <exception cref="FailureException"><c>request_invalid</c>, <c>repository_missing</c>,
    /// <c>repository_forbidden</c>, <c>sandbox_forbidden</c>, <c>label_invalid</c>.</exception>
    public static RunRequest Read(
        RequestBody body, Caller caller, BerthOptions options, Func<string, RunView> runOf)
    {
        body.RefuseOthers(Fields);
        var earlier = body.Text("continueFrom") is { } named ? runOf(named) : null;
        var request = new RunRequest
        {
            Workflow = body.Required("workflow"),
            Message = body.Required("message"),
            Continue = earlier?.Id,
            Repository = body.Text("repository") ?? earlier?.Repository ?? DefaultRepository(options),
            CurrentDirectory = options.Home,
            Ref = body.Text("ref"),
            Directory = body.Text("directory"),
            Branch = body.Text("branch"),
            Mode = body.Text("mode"),
            Model = body.Text("model"),
            MaxTurns = body.Whole("maxTurns", 1, 1000),
            MaxTokens = body.Large("maxTokens", 1, WorkflowSettings.MostTokens),
            MaxBudgetUsd = body.Amount("maxBudgetUsd"),
            Timeout = body.Whole("timeoutSeconds", 1, LongestTimeout) is { } seconds
                ? TimeSpan.FromSeconds(seconds)
                : null,
            Environment = body.Texts("env"),
            ApprovalsByOther = body.Text("approvals") switch
            {
                null or "anyone" => false,
                "other" => true,
                _ => throw Invalid("The field approvals is not valid: expected anyone or other."),
            },
            Sandbox = body.Text("sandbox"),
            Push = body.Switch("push") ?? false,
            PullRequest = body.Switch("pullRequest") ?? false,
            PullRequestDraft = body.Switch("pullRequestDraft"),
            PullRequestLabels = body.List("pullRequestLabels"),
            PullRequestReviewers = body.List("pullRequestReviewers"),
            Keep = body.Switch("keep"),
            Ticket = new RunTicket(ViaServer: true, caller.Name)
            {
                Labels = RunLabels.Checked(body.Texts("labels")),
                IdempotencyKey = Short("idempotencyKey", body.Text("idempotencyKey")),
                Priority = body.Whole("priority", -RunTicket.MostPriority, RunTicket.MostPriority) ?? 0,
                RequestHash = Convert.ToHexStringLower(SHA256.HashData(body.Bytes)),
                QueueLimit = options.Server.QueueLimit,
            },
        };
        return Permitted(request, caller, options);
    }

    /// <summary>The repository of requests that name none.</summary>
    /// <exception cref="FailureException"><c>repository_missing</c>.</exception>
    public static string DefaultRepository(BerthOptions options) =>
        options.Server.DefaultRepository ?? throw NoRepository();

    /// <summary>The request, where the caller may make it.</summary>
    public static RunRequest Permitted(RunRequest request, Caller caller, BerthOptions options)
    {
        if (caller.Role == Role.Admin)
        {
            return request;
        }

        if (request.Sandbox is "none")
        {
            throw new FailureException(
                "sandbox_forbidden",
                "A run without a sandbox is a bare process of the server's user, which an operator may not start.",
                "Leave out the sandbox, or ask with an admin's token.",
                Fault.User);
        }

        var isOwn = string.Equals(request.Repository, options.Server.DefaultRepository, StringComparison.Ordinal);
        if (!isOwn && LocalPathOf(request) is { } path
            && !options.Server.Repositories.Any(folder => IsBelow(path, folder)))
        {
            throw Forbidden();
        }

        // The default one is the choice of the server's owner.
        return request with { Ticket = request.Ticket with { IsGuarded = !isOwn } };
    }

    // The path on the server's machine, however it was written: a file:// URL leads there too. What is there and what
    // is not, an operator is not told.
    private static string? LocalPathOf(RunRequest request)
    {
        const string Local = "file://";
        try
        {
            var canonical = RepositorySource.Parse(request.Repository!, request.CurrentDirectory).Canonical;
            return canonical.StartsWith(Local, StringComparison.Ordinal) ? canonical[Local.Length..] : null;
        }
        catch (FailureException absent) when (absent.Failure.Code is "repository_not_found" or "not_a_repository")
        {
            throw Forbidden();
        }
    }

    private static FailureException Forbidden() => new(
        "repository_forbidden",
        "There is no repository at that path of the server's machine that operators may name.",
        "Name a URL, or have the folder put into BERTH_REPOSITORIES.",
        Fault.User);

    // Both are followed to where they really are, so that no link leads out.
    private static bool IsBelow(string path, string folder) =>
        RealPath.Of(path) is { } real && RealPath.Of(folder) is { } root && RealPath.IsWithin(real, root);

    private static string? Short(string name, string? text) =>
        text is null or { Length: > 0 and <= RunTicket.LongestText } && !(text?.Any(char.IsControl) ?? false)
            ? text
            : throw Invalid($"The field {name} is not valid: expected 1 to {RunTicket.LongestText} characters.");

    private static FailureException Invalid(string message) => new(
        "request_invalid", message, "docs/API.md says what can be sent.", Fault.User);

    private static FailureException NoRepository() => new(
        "repository_missing",
        "The request names no repository, and the server has none for such requests.",
        "Send the field repository, or have BERTH_REPOSITORY set.",
        Fault.User);
}
