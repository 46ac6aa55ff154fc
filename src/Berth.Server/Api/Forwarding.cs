using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Dispatch;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Api;

/// <summary>Asks the server whose a run is for what only its home has: the transcript, the changes, what is left on its
/// disk.</summary>
/// <remarks>
/// The asker's own token goes along, which is as good there: the servers share the table. What is forwarded is not
/// forwarded again.
/// </remarks>
internal sealed class Forwarding(BerthEngine engine, Presence presence, TimeProvider time) : IDisposable
{
    private const string Mark = "Berth-Forwarded";
    private const string AwayCode = "server_away";
    private static readonly string[] PassedOn =
    [
        "Retry-After", "Cache-Control", "Vary", "X-Accel-Buffering", "X-Content-Type-Options", "Accept-Ranges",
        "Content-Disposition", "Content-Range", "Content-Length",
    ];

    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    // A stream of events has no end of its own; silence is what its reader judges by.
    private readonly HttpMessageInvoker http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = ConnectLimit,
    });

    /// <summary>Answers with what the run's server answers, where that is another one.</summary>
    /// <returns>Whether it did.</returns>
    /// <exception cref="FailureException"><c>server_away</c>.</exception>
    public async Task<bool> AnswerAsync(HttpContext context, RunView run)
    {
        if (engine.Queue.IsHere(run) || run.Server is null)
        {
            return false;
        }

        using var answer = await AskAsync(context, run.Server, context.RequestAborted);
        context.Response.StatusCode = (int)answer.StatusCode;
        context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        foreach (var name in PassedOn)
        {
            if (answer.Headers.TryGetValues(name, out var values)
                || answer.Content.Headers.TryGetValues(name, out values))
            {
                context.Response.Headers[name] = values.ToArray();
            }
        }

        await CopyAsync(context, answer, context.RequestAborted);
        return true;
    }

    /// <summary>Waits until a server has taken a run that waits, or the run has ended.</summary>
    public async Task<RunView> TakenAsync(RunView run, CancellationToken cancel)
    {
        if (engine.Queue.IsHere(run) || run.Server is not null || run.State.IsFinal())
        {
            return run;
        }

        using var poll = new PeriodicTimer(Poll, time);
        while (run.Server is null && !run.State.IsFinal())
        {
            await poll.WaitForNextTickAsync(cancel);
            run = engine.Find(run.Id)!;
        }

        return run;
    }

    /// <summary>Goes on with an answer that has begun here with what the run's server says. Where that one is away it
    /// breaks off, and its reader goes on where he was.</summary>
    public async Task GoOnAsync(HttpContext context, RunView run, CancellationToken cancel)
    {
        try
        {
            using var answer = await AskAsync(context, run.Server!, cancel);
            if (answer.IsSuccessStatusCode)
            {
                await CopyAsync(context, answer, cancel);
                return;
            }
        }
        catch (FailureException away) when (away.Failure.Code is AwayCode)
        {
            // As below.
        }

        context.Abort();
    }

    public void Dispose() => http.Dispose();

    private async Task<HttpResponseMessage> AskAsync(HttpContext context, string server, CancellationToken cancel)
    {
        var asked = context.Request;
        if (asked.Headers.ContainsKey(Mark) || !await presence.IsAliveAsync(server, cancel)
            || engine.Queue.Find(server) is not { } row)
        {
            throw Away(server);
        }

        using var request = new HttpRequestMessage(
            new HttpMethod(HeadRequests.MethodOf(context)),
            new Uri(new Uri(row.Url), RawPath.Of(context) + asked.QueryString));
        foreach (var name in new[] { "Authorization", "x-api-key", "Accept", "Last-Event-ID", "Range" })
        {
            if (asked.Headers[name] is { Count: > 0 } values)
            {
                request.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        request.Headers.Add(Mark, engine.Queue.Home);
        try
        {
            return await http.SendAsync(request, cancel);
        }
        catch (HttpRequestException silent)
        {
            throw Away(server, silent);
        }
    }

    private static async Task CopyAsync(HttpContext context, HttpResponseMessage answer, CancellationToken cancel)
    {
        await using var body = await answer.Content.ReadAsStreamAsync(cancel);
        var buffer = new byte[16 * 1024];
        try
        {
            while (await body.ReadAsync(buffer, cancel) is > 0 and var count)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), cancel);
                await context.Response.Body.FlushAsync(cancel);
            }
        }
        catch (Exception broken) when (broken is HttpRequestException or HttpIOException)
        {
            // It was told in part; an answer that only seems whole would be worse than one that breaks off.
            context.Abort();
        }
    }

    private static FailureException Away(string server, Exception? silent = null) => new(
        AwayCode,
        $"The run is in the home of the server {server}, which does not answer.",
        "Try again when it is back; the run itself goes on under its supervisor.",
        Fault.Operator,
        silent);
}
