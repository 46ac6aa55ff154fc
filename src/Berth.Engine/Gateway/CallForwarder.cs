using System.Globalization;
using Berth.Engine.Budgets;
using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>Forwards a run's calls, tries again where that may help, and counts each call that was sent.</summary>
/// <remarks>
/// <para>
/// Until the first byte has gone to the CLI a call can be repeated unseen; after that a broken answer can only be cut,
/// and the CLI repeats it. What is not worth repeating goes on with its own status and <c>x-should-retry: false</c>,
/// which the CLI honours.
/// </para>
/// <para>
/// What the agent does with its connection changes nothing in what is counted. The most that a call can come to is
/// noted before it is sent, and charged where nobody learns more: the host dies, the upstream gives no answer, or the
/// answer is longer than anybody waits for.
/// </para>
/// </remarks>
internal sealed class CallForwarder(
    GatewayOptions options, IGatewayObserver observer, CallAdmission admission, TimeProvider time) : IDisposable
{
    private const int MaxErrorBytes = 64 * 1024;
    private const int MostBetasTold = 20;
    private static readonly TimeSpan ErrorLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan CutLimit = TimeSpan.FromSeconds(10);

    // The CLI waits ten minutes for a first byte: a last attempt that begins before this has ended by then.
    private static readonly TimeSpan RetryBudget = TimeSpan.FromMinutes(4);

    // Hop-by-hop, or the upstream's business with us.
    private static readonly HashSet<string> Dropped = new(StringComparer.OrdinalIgnoreCase)
    {
        "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Trailer", "Upgrade", "Proxy-Authenticate",
        "Proxy-Connection", "Set-Cookie", "Alt-Svc",
    };

    private static readonly ModelUsage Nothing = new();

    private readonly UpstreamClient upstream = new(options, time);
    private readonly CountLimiter counts = new(time);
    private readonly CallsInFlight calls = new(time);
    private readonly CancellationTokenSource cut = new();
    private readonly Lock gate = new();
    private readonly HashSet<string> droppedBetas = new(StringComparer.Ordinal);
    private ModelUsage totals = new();
    private int sent;
    private bool hasSaidUnpriced;

    /// <summary>Forwards a call and streams its answer back, unless a budget is spent.</summary>
    public async Task ForwardAsync(HttpContext context, RequestBody body, JudgedRequest request)
    {
        var call = ModelCall.Of(context.Request.Headers, request, body.Bytes.Length, options.Prices);
        var isPaid = string.Equals(context.Request.Path.Value, ModelGateway.Messages, StringComparison.Ordinal);
        if (!isPaid && !counts.TryTake(body.Bytes.Length))
        {
            await ModelGateway.RefuseAsync(context, observer, new RequestRefusal(
                StatusCodes.Status429TooManyRequests,
                RequestRefusal.Counts,
                "The run has its tokens counted more often than Berth lets through."));
            return;
        }

        var started = time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            var mayRetry = attempt < options.MaxRetries && time.GetElapsedTime(started) < RetryBudget;
            var again = isPaid
                ? await CallAsync(context, body, call, mayRetry ? attempt : null)
                : await CountAsync(context, body, call, mayRetry ? attempt : null);
            if (again is not { } delay)
            {
                return;
            }

            await Task.Delay(delay, time, context.RequestAborted);
        }
    }

    /// <summary>Takes no more calls, and waits for those in flight; then they are cut.</summary>
    /// <param name="patience">How long it waits before that.</param>
    public async Task EndAsync(TimeSpan patience)
    {
        if (!await calls.EndAsync(patience))
        {
            await cut.CancelAsync();
            _ = await calls.EndAsync(CutLimit);
        }
    }

    public void Dispose()
    {
        upstream.Dispose();
        cut.Dispose();
    }

    // One attempt at a call that costs something. Gives the wait before the next one, or null where there is none.
    private async Task<TimeSpan?> CallAsync(HttpContext context, RequestBody body, ModelCall call, int? attempt)
    {
        var entry = await admission.EnterAsync(call.Most, context.RequestAborted);
        if (entry.Stop is { } stop)
        {
            observer.BudgetSpent(stop);
            await ModelGateway.RefuseAsync(
                context, StatusCodes.Status402PaymentRequired, "billing_error", stop.Message);
            return null;
        }

        var pending = new PendingCall(
            Interlocked.Increment(ref sent).ToString(CultureInfo.InvariantCulture), entry.Day, call.InputTokens,
            call.OutputTokens, call.Most.Usd);
        var used = Nothing;
        var isOurs = calls.TryEnter();
        try
        {
            if (!isOurs)
            {
                // The host ends; the CLI asks the next one.
                context.Abort();
                return null;
            }

            observer.Begun(pending);
            used = EstimateOf(call);
            (used, var again) = await AttemptAsync(context, body, call, attempt);
            return again;
        }
        finally
        {
            Count(used, pending.Id);
            admission.Leave(entry, new Spending(
                used.Requests, used.Turns, used.InputTokens + used.OutputTokens, used.CostUsd));
            if (isOurs)
            {
                calls.Leave();
            }
        }
    }

    // Counting tokens costs nothing, whatever comes of it.
    private async Task<TimeSpan?> CountAsync(HttpContext context, RequestBody body, ModelCall call, int? attempt)
    {
        var (used, again) = await AttemptAsync(context, body, call, attempt);
        Count(used.EstimatedCalls > 0 ? Nothing : used with { CostUsd = 0 }, null);
        return again;
    }

    private async Task<(ModelUsage Used, TimeSpan? Again)> AttemptAsync(
        HttpContext context, RequestBody body, ModelCall call, int? attempt)
    {
        var result = await upstream.SendAsync(context.Request, body.Bytes, TellDropped, cut.Token);
        using var response = result.Response;
        if (response is { IsSuccessStatusCode: true })
        {
            // It is not sent again, so others may have its room.
            body.Dispose();
            return (await PassOnAsync(context, response, call), null);
        }

        var used = response is null && result.WasSent ? EstimateOf(call) : Nothing;
        if (attempt is { } number && !context.RequestAborted.IsCancellationRequested
            && !cut.IsCancellationRequested && upstream.DelayBefore(number, response) is { } delay)
        {
            return (used, delay);
        }

        await RefuseAsync(context, response, result.Failure);
        return (used with { Refusals = 1 }, null);
    }

    private async Task<ModelUsage> PassOnAsync(HttpContext context, HttpResponseMessage response, ModelCall call)
    {
        var isStreamed = string.Equals(
            response.Content.Headers.ContentType?.MediaType, "text/event-stream", StringComparison.OrdinalIgnoreCase);
        CopyHeaders(context, response);
        var meter = new UsageMeter(isStreamed);
        using var relay = new AnswerRelay(context, response, options, time);
        var end = await relay.RunAsync(meter, cut.Token);
        var answer = meter.Usage;
        if (!meter.HasCounts)
        {
            return EstimateOf(call);
        }

        var usage = UsageOf(
            end == AnswerEnd.Cut && !answer.IsWhole
                ? answer with { Output = Math.Max(answer.Output, call.OutputTokens) }
                : answer,
            call);
        return answer.IsWhole ? usage : usage with { EstimatedCalls = 1, EstimatedCostUsd = usage.CostUsd };
    }

    private ModelUsage UsageOf(AnswerUsage answer, ModelCall call)
    {
        if (answer.Model is { } model && options.Prices.Find(model) is null
            && (call.Model is null || options.Prices.Find(call.Model) is null)
            && !Interlocked.Exchange(ref hasSaidUnpriced, true))
        {
            observer.Unpriced(model);
        }

        return new ModelUsage(1, answer.AllInput, answer.Output)
        {
            CacheReadTokens = answer.CacheRead,
            CacheWriteTokens = answer.CacheWrite + answer.CacheWrite1h,
            CacheWrite1hTokens = answer.CacheWrite1h,
            WebSearches = answer.WebSearches,
            Turns = call.IsMain && answer.IsWhole ? 1 : 0,
            CostUsd = options.Prices.CostOf(answer, call.Model),
        };
    }

    private static ModelUsage EstimateOf(ModelCall call) =>
        ModelUsage.Estimate(call.InputTokens, call.OutputTokens, call.Most.Usd);

    private async Task RefuseAsync(HttpContext context, HttpResponseMessage? response, string? failure)
    {
        var status = response is null ? StatusCodes.Status502BadGateway : (int)response.StatusCode;
        observer.Refused(status, failure
            ?? $"The model at {options.Upstream.Host} answered {ModelGateway.Text(status)}.");
        using var limit = new CancellationTokenSource(ErrorLimit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.RequestAborted);
        try
        {
            if (response is null)
            {
                await ModelGateway.RefuseAsync(context, status, "api_error", failure!);
                return;
            }

            CopyHeaders(context, response);
            context.Response.Headers["x-should-retry"] = "false";
            await using var from = await response.Content.ReadAsStreamAsync(either.Token);
            var buffer = new byte[MaxErrorBytes];
            var count = await from.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, either.Token);
            await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), either.Token);
        }
        catch (Exception gone) when (gone is IOException or HttpRequestException or OperationCanceledException)
        {
            // The client does not wait for the refusal any more, or the upstream does not end it.
            context.Abort();
        }
    }

    private static void CopyHeaders(HttpContext context, HttpResponseMessage response)
    {
        context.Response.StatusCode = (int)response.StatusCode;
        context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        foreach (var header in response.Headers.Where(header => !Dropped.Contains(header.Key)))
        {
            context.Response.Headers[header.Key] = header.Value.ToArray();
        }
    }

    private void TellDropped(string beta)
    {
        lock (gate)
        {
            if (droppedBetas.Count >= MostBetasTold || !droppedBetas.Add(beta))
            {
                return;
            }
        }

        observer.BetaDropped(beta);
    }

    private void Count(ModelUsage usage, string? call)
    {
        if (usage == Nothing && call is null)
        {
            return;
        }

        lock (gate)
        {
            totals += usage;
            observer.Counted(totals, call);
        }
    }
}

/// <summary>The calls of a gateway that were sent and are not counted yet.</summary>
internal sealed class CallsInFlight(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly TaskCompletionSource none = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int open;
    private bool hasEnded;

    /// <summary>One begins, unless there are to be no more.</summary>
    public bool TryEnter()
    {
        lock (gate)
        {
            open += hasEnded ? 0 : 1;
            return !hasEnded;
        }
    }

    /// <summary>One has ended, and is counted.</summary>
    public void Leave()
    {
        lock (gate)
        {
            open--;
            SayIfNone();
        }
    }

    /// <summary>Lets no more begin, and waits for those that have.</summary>
    /// <returns>Whether all have ended.</returns>
    public async Task<bool> EndAsync(TimeSpan patience)
    {
        lock (gate)
        {
            hasEnded = true;
            SayIfNone();
        }

        try
        {
            await none.Task.WaitAsync(patience, time);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private void SayIfNone()
    {
        if (hasEnded && open == 0)
        {
            _ = none.TrySetResult();
        }
    }
}
