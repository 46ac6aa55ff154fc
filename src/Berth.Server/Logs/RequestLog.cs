using Berth.Server.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Berth.Server.Logs;

/// <summary>Who asked what: one line for each request, when it is answered.</summary>
/// <remarks>
/// Only what is ours to choose is in it: the address as it is declared and not as it was asked for, no query, no header
/// and no body. So whoever puts a secret where it does not belong does not find it in the log.
/// </remarks>
internal sealed partial class RequestLog(TimeProvider time, ILogger log)
{
    private const int ClientGone = 499;

    /// <summary>What a line says of the address of a request that leads nowhere.</summary>
    private const string Nowhere = "nowhere";

    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

    /// <summary>Remembers which run a request is about.</summary>
    public static void About(HttpContext context, string runId) => context.Items[typeof(RequestLog)] = runId;

    /// <summary>Says in all lines until it is disposed of which run they are about, where that is known.</summary>
    public static IDisposable? Scope(ILogger log, HttpContext context) =>
        context.Items[typeof(RequestLog)] is string run ? log.BeginScope(new RunScope(run)) : null;

    /// <summary>The address as it is declared.</summary>
    public static string RouteOf(HttpContext context) =>
        (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? Nowhere;

    /// <summary>Has a request answered, and says so.</summary>
    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var began = time.GetTimestamp();
        try
        {
            await next(context);
        }
        finally
        {
            Tell(context, time.GetElapsedTime(began));
        }
    }

    private void Tell(HttpContext context, TimeSpan took)
    {
        var route = RouteOf(context);
        var status = context.RequestAborted.IsCancellationRequested && !context.Response.HasStarted
            ? ClientGone
            : context.Response.StatusCode;
        var method = Array.Find(Methods, known => HttpMethods.Equals(known, context.Request.Method)) ?? "OTHER";
        if (IsProbe(route) && status == StatusCodes.Status200OK)
        {
            return;
        }

        using var scope = Scope(log, context);
        LogRequest(method, route, status, (long)took.TotalMilliseconds, Gatekeeper.NameOf(context));
    }

    // Asked every few seconds by whoever watches the process; only what they find wrong is worth a line.
    private static bool IsProbe(string route) => route is "/healthz" or "/readyz" or "/metrics";

    [LoggerMessage(20, LogLevel.Information, "{Method} {Route} {Status} in {DurationMs} ms by {Caller}")]
    private partial void LogRequest(string method, string route, int status, long durationMs, string caller);
}
