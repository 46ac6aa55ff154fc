using System.Globalization;
using Berth.Protocol;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;

namespace Berth.Server.Api;

/// <summary>What an error looks like: problem details (RFC 9457) with the codes of the command line.</summary>
internal sealed record ProblemDocument
{
    /// <summary>A URI that names the code.</summary>
    public required string Type { get; init; }

    /// <summary>The status in words.</summary>
    public required string Title { get; init; }

    public required int Status { get; init; }

    /// <summary>What was attempted, on what, and what came back.</summary>
    public required string Detail { get; init; }

    /// <summary>The code; listed in docs/TROUBLESHOOTING.md.</summary>
    public required string Code { get; init; }

    /// <summary>What to do next, or empty.</summary>
    public required string Hint { get; init; }

    /// <summary>Who has to act.</summary>
    public required Fault Fault { get; init; }
}

/// <summary>Turns failures into answers: the only place that decides on statuses.</summary>
internal static class Problem
{
    /// <summary>The type of the body.</summary>
    public const string ContentType = "application/problem+json";

    private const int RetryAfterSeconds = 5;

    private static readonly Dictionary<string, int> Statuses = new(StringComparer.Ordinal)
    {
        ["token_missing"] = StatusCodes.Status401Unauthorized,
        ["token_invalid"] = StatusCodes.Status401Unauthorized,
        ["host_not_local"] = StatusCodes.Status403Forbidden,
        ["origin_foreign"] = StatusCodes.Status403Forbidden,
        ["approval_needs_another"] = StatusCodes.Status403Forbidden,
        ["role_too_low"] = StatusCodes.Status403Forbidden,
        ["repository_forbidden"] = StatusCodes.Status403Forbidden,
        ["sandbox_forbidden"] = StatusCodes.Status403Forbidden,
        ["workflow_read_only"] = StatusCodes.Status403Forbidden,
        ["run_not_found"] = StatusCodes.Status404NotFound,
        ["session_not_found"] = StatusCodes.Status404NotFound,
        ["conversation_gone"] = StatusCodes.Status410Gone,
        ["artifact_not_found"] = StatusCodes.Status404NotFound,
        ["not_found"] = StatusCodes.Status404NotFound,
        ["method_not_allowed"] = StatusCodes.Status405MethodNotAllowed,
        ["budget_spent"] = StatusCodes.Status409Conflict,
        ["branch_taken"] = StatusCodes.Status409Conflict,
        ["idempotency_conflict"] = StatusCodes.Status409Conflict,
        ["run_not_final"] = StatusCodes.Status409Conflict,
        ["run_over"] = StatusCodes.Status409Conflict,
        ["run_not_started"] = StatusCodes.Status409Conflict,
        ["execution_not_running"] = StatusCodes.Status409Conflict,
        ["run_ending"] = StatusCodes.Status409Conflict,
        ["messages_too_many"] = StatusCodes.Status429TooManyRequests,
        ["message_too_large"] = StatusCodes.Status413PayloadTooLarge,
        ["approval_not_found"] = StatusCodes.Status404NotFound,
        ["approval_ambiguous"] = StatusCodes.Status409Conflict,
        ["approval_decided"] = StatusCodes.Status409Conflict,
        ["nothing_to_push"] = StatusCodes.Status409Conflict,
        ["push_not_asked"] = StatusCodes.Status409Conflict,
        ["push_blocked_by_secret"] = StatusCodes.Status409Conflict,
        ["push_secrets_forgotten"] = StatusCodes.Status409Conflict,
        ["push_cancelled"] = StatusCodes.Status409Conflict,
        ["push_refused"] = StatusCodes.Status409Conflict,
        ["pull_request_refused"] = StatusCodes.Status409Conflict,
        ["pull_request_sso_required"] = StatusCodes.Status409Conflict,
        ["pull_request_rate_limited"] = StatusCodes.Status502BadGateway,
        ["pull_request_unreachable"] = StatusCodes.Status502BadGateway,
        ["push_authentication_failed"] = StatusCodes.Status502BadGateway,
        ["push_untrusted"] = StatusCodes.Status502BadGateway,
        ["push_unreachable"] = StatusCodes.Status502BadGateway,
        ["push_failed"] = StatusCodes.Status502BadGateway,
        ["workflow_exists"] = StatusCodes.Status409Conflict,
        ["workflow_not_plain"] = StatusCodes.Status409Conflict,
        ["workflows_too_many"] = StatusCodes.Status409Conflict,
        ["changes_hold_secrets"] = StatusCodes.Status409Conflict,
        ["changes_gone"] = StatusCodes.Status410Gone,
        ["body_too_large"] = StatusCodes.Status413PayloadTooLarge,
        ["media_type_not_json"] = StatusCodes.Status415UnsupportedMediaType,
        ["queue_full"] = StatusCodes.Status429TooManyRequests,
        ["too_many_failures"] = StatusCodes.Status429TooManyRequests,
        ["disk_low"] = StatusCodes.Status503ServiceUnavailable,
        ["memory_low"] = StatusCodes.Status503ServiceUnavailable,
        ["connections_too_many"] = StatusCodes.Status503ServiceUnavailable,
        ["draining"] = StatusCodes.Status503ServiceUnavailable,
    };

    /// <summary>The status of a failure.</summary>
    public static int StatusOf(Failure failure) => Statuses.TryGetValue(failure.Code, out var status) ? status
        : failure.Fault switch
        {
            Fault.User => StatusCodes.Status400BadRequest,
            Fault.Berth => StatusCodes.Status500InternalServerError,
            _ => StatusCodes.Status503ServiceUnavailable,
        };

    /// <summary>Answers with a failure.</summary>
    public static Task WriteAsync(HttpContext context, Failure failure)
    {
        var status = StatusOf(failure);
        var document = new ProblemDocument
        {
            Type = $"urn:berth:problem:{failure.Code}",
            Title = ReasonPhrases.GetReasonPhrase(status),
            Status = status,
            Detail = failure.Message,
            Code = failure.Code,
            Hint = failure.Hint,
            Fault = failure.Fault,
        };
        context.Response.StatusCode = status;
        if (status is StatusCodes.Status401Unauthorized)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer realm=\"berth\"";
        }

        if (status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable)
        {
            context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        }

        return Answer.JsonAsync(context, document, ApiJson.Readable.ProblemDocument, ContentType);
    }
}
