using System.Net.Http.Headers;
using System.Security.Cryptography;
using Berth.Engine.Budgets;
using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>
/// Forwards one call to the real model with the real credential, and tries again where that may help.
/// </summary>
/// <remarks>
/// Until the first byte has gone to the CLI a call can be repeated unseen; after that a broken answer can only be cut,
/// and the CLI repeats it. What is not worth repeating goes on with its own status and <c>x-should-retry: false</c>,
/// which the CLI honours.
/// </remarks>
internal sealed class UpstreamClient : IDisposable
{
    private const int BufferBytes = 32 * 1024;
    private const int MaxErrorBytes = 64 * 1024;
    private const string OAuthBeta = "oauth-2025-04-20";
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    // The CLI waits ten minutes for a first byte: a last attempt that begins before this has ended by then.
    private static readonly TimeSpan RetryBudget = TimeSpan.FromMinutes(4);

    // Hop-by-hop, ours to set, or a credential: none of these is forwarded.
    private static readonly HashSet<string> Dropped = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Content-Type", "Accept-Encoding",
        "Expect", "TE",
        "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Authorization", "x-api-key", "Cookie",
    };

    private static readonly ModelUsage Nothing = new();

    private readonly GatewayOptions options;
    private readonly IGatewayObserver observer;
    private readonly TimeProvider time;
    private readonly Lock gate = new();
    private readonly SocketsHttpHandler connections = new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        ConnectTimeout = TimeSpan.FromSeconds(30),
    };

    private readonly HttpClient client;
    private readonly CallAdmission admission;
    private ModelUsage totals = new();
    private bool hasSaidUnpriced;

    public UpstreamClient(
        GatewayOptions options, IGatewayObserver observer, CallAdmission admission, TimeProvider time)
    {
        this.options = options;
        this.observer = observer;
        this.admission = admission;
        this.time = time;
        client = new HttpClient(connections, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Forwards a call and streams its answer back, unless a budget is spent.</summary>
    public async Task ForwardAsync(HttpContext context, ReadOnlyMemory<byte> body)
    {
        var call = ModelCall.Read(context.Request.Headers, body, options.Prices);
        if (!string.Equals(context.Request.Path.Value, ModelGateway.Messages, StringComparison.Ordinal))
        {
            Count(await SendOnAsync(context, body, call));
            return;
        }

        var entry = await admission.EnterAsync(call.Most, context.RequestAborted);
        if (entry.Stop is { } stop)
        {
            observer.BudgetSpent(stop);
            await ModelGateway.RefuseAsync(
                context, StatusCodes.Status402PaymentRequired, "billing_error", stop.Message);
            return;
        }

        var used = new ModelUsage();
        try
        {
            used = await SendOnAsync(context, body, call);
        }
        finally
        {
            Count(used);
            admission.Leave(entry, new Spending(
                used.Requests, used.Turns, used.InputTokens + used.OutputTokens, used.CostUsd));
        }
    }

    /// <summary>Sends a call, again where that may help, and answers it.</summary>
    /// <returns>What it came to.</returns>
    private async Task<ModelUsage> SendOnAsync(HttpContext context, ReadOnlyMemory<byte> body, ModelCall call)
    {
        var started = time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            var mayRetry = attempt < options.MaxRetries && time.GetElapsedTime(started) < RetryBudget;
            var (response, failure) = await SendAsync(context, body);
            using (response)
            {
                if (response is { IsSuccessStatusCode: true })
                {
                    return UsageOf(await PassOnAsync(context, response), call);
                }

                if (!mayRetry || DelayBefore(attempt, response) is not { } delay)
                {
                    await RefuseAsync(context, response, failure);
                    return new ModelUsage(Refusals: 1);
                }

                await Task.Delay(delay, time, context.RequestAborted);
            }
        }
    }

    public void Dispose()
    {
        client.Dispose();
        connections.Dispose();
    }

    private async Task<(HttpResponseMessage? Response, string? Failure)> SendAsync(
        HttpContext context,
        ReadOnlyMemory<byte> body)
    {
        using var request = Request(context.Request, body);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var timer = time.CreateTimer(
            state => ((CancellationTokenSource)state!).Cancel(),
            patience,
            options.FirstByte,
            Timeout.InfiniteTimeSpan);
        try
        {
            return (await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token), null);
        }
        catch (HttpRequestException error)
        {
            return (null, $"The model at {options.Upstream.Host} cannot be reached: {error.Message}");
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            return (null, $"The model at {options.Upstream.Host} gave no answer within {options.FirstByte}.");
        }
    }

    private HttpRequestMessage Request(HttpRequest from, ReadOnlyMemory<byte> body)
    {
        var target = options.Upstream.AbsoluteUri.TrimEnd('/') + from.Path.Value + from.QueryString.Value;
        var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new ReadOnlyMemoryContent(body) };
        request.Content.Headers.ContentType = MediaTypeHeaderValue.TryParse(from.ContentType, out var type)
            ? type
            : new("application/json");
        foreach (var header in from.Headers.Where(header => !Dropped.Contains(header.Key)))
        {
            request.Headers.TryAddWithoutValidation(header.Key, [.. header.Value]);
        }

        if (options.ApiKey is not null)
        {
            request.Headers.TryAddWithoutValidation("x-api-key", options.ApiKey);
        }

        if ((options.AuthToken ?? (options.ApiKey is null ? options.OAuthToken : null)) is { } bearer)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {bearer}");
        }

        if (options is { ApiKey: null, AuthToken: null, OAuthToken: not null })
        {
            request.Headers.TryAddWithoutValidation("anthropic-beta", OAuthBeta);
        }

        options.CustomHeaders.AddTo(request);
        return request;
    }

    /// <summary>How long to wait before the next attempt, or null where another one would not help.</summary>
    private TimeSpan? DelayBefore(int attempt, HttpResponseMessage? response)
    {
        if (response is not null)
        {
            var status = (int)response.StatusCode;
            var forbids = response.Headers.TryGetValues("x-should-retry", out var said)
                && said.Contains("false", StringComparer.Ordinal);
            if (forbids || status is not (408 or 409 or 429 or >= 500))
            {
                return null;
            }

            if (response.Headers.RetryAfter is { } asked && (asked.Delta ?? asked.Date - time.GetUtcNow()) is { } wait)
            {
                return wait > options.MaxRetryAfter ? null : TimeSpan.FromTicks(Math.Max(0, wait.Ticks));
            }
        }

        var longest = Math.Min(FirstDelay.TotalMilliseconds * Math.Pow(2, attempt), LongestDelay.TotalMilliseconds);

        // A quarter of jitter, so that runs which failed together do not come back together.
        return TimeSpan.FromMilliseconds(longest * (0.75 + (RandomNumberGenerator.GetInt32(1000) / 4000.0)));
    }

    private async Task<AnswerUsage> PassOnAsync(HttpContext context, HttpResponseMessage response)
    {
        var streamed = string.Equals(
            response.Content.Headers.ContentType?.MediaType,
            "text/event-stream",
            StringComparison.Ordinal);
        CopyHeaders(context, response);
        var meter = new UsageMeter(streamed);
        var buffer = new byte[BufferBytes];
        await using var from = await response.Content.ReadAsStreamAsync(context.RequestAborted);
        try
        {
            for (var count = await ReadAsync(from, buffer, context); count > 0; count = await ReadAsync(
                from,
                buffer,
                context))
            {
                meter.Read(buffer.AsSpan(0, count));
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }

            meter.Complete();
        }
        catch (Exception broken) when (broken is IOException or HttpRequestException or OperationCanceledException)
        {
            // The answer has begun, so it can only be cut; a clean end would be taken for a complete answer.
            context.Abort();
        }

        return meter.Usage;
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

    private async ValueTask<int> ReadAsync(Stream from, byte[] buffer, HttpContext context)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        using var timer = time.CreateTimer(
            state => ((CancellationTokenSource)state!).Cancel(),
            patience,
            options.Silence,
            Timeout.InfiniteTimeSpan);
        return await from.ReadAsync(buffer, patience.Token);
    }

    private async Task RefuseAsync(HttpContext context, HttpResponseMessage? response, string? failure)
    {
        var status = response is null ? StatusCodes.Status502BadGateway : (int)response.StatusCode;
        observer.Refused(status, failure
            ?? $"The model at {options.Upstream.Host} answered {ModelGateway.Text(status)}.");
        if (response is null)
        {
            await ModelGateway.RefuseAsync(context, status, "api_error", failure!);
            return;
        }

        CopyHeaders(context, response);
        context.Response.Headers["x-should-retry"] = "false";
        await using var from = await response.Content.ReadAsStreamAsync(context.RequestAborted);
        var buffer = new byte[MaxErrorBytes];
        var count = await from.ReadAtLeastAsync(
            buffer,
            buffer.Length,
            throwOnEndOfStream: false,
            context.RequestAborted);
        await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted);
    }

    private static void CopyHeaders(HttpContext context, HttpResponseMessage response)
    {
        context.Response.StatusCode = (int)response.StatusCode;
        context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        foreach (var header in response.Headers.Where(header => !Dropped.Contains(header.Key) && !IsCookie(header.Key)))
        {
            context.Response.Headers[header.Key] = header.Value.ToArray();
        }

        static bool IsCookie(string name) => string.Equals(name, "Set-Cookie", StringComparison.OrdinalIgnoreCase);
    }

    private void Count(ModelUsage usage)
    {
        if (usage == Nothing)
        {
            return;
        }

        lock (gate)
        {
            totals += usage;
            observer.Counted(totals);
        }
    }
}
