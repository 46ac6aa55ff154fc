using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Berth.Engine.Gateway;

/// <summary>What came of sending a call to the upstream once.</summary>
/// <param name="Response">The answer's head; null where there was none.</param>
/// <param name="Failure">Why there was none, in a sentence.</param>
/// <param name="WasSent">Whether the upstream may have had it.</param>
internal sealed record SendResult(HttpResponseMessage? Response, string? Failure, bool WasSent);

/// <summary>Sends one call to the real model with the real credential.</summary>
internal sealed class UpstreamClient(GatewayOptions options, TimeProvider time) : IDisposable
{
    private const string OAuthBeta = "oauth-2025-04-20";
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private readonly HttpClient client = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            ConnectTimeout = TimeSpan.FromSeconds(30),
        },
        disposeHandler: true)
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public void Dispose() => client.Dispose();

    /// <summary>Sends a call once. A client that has gone does not end it: the upstream charges it.</summary>
    /// <param name="from">The agent's request.</param>
    /// <param name="body">Its body.</param>
    /// <param name="dropped">Takes the betas that are left out.</param>
    /// <param name="cut">The host ends.</param>
    public async Task<SendResult> SendAsync(
        HttpRequest from, ReadOnlyMemory<byte> body, Action<string> dropped, CancellationToken cut)
    {
        using var request = Request(from, body, dropped);
        using var patience = new CancellationTokenSource(options.FirstByte, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cut);
        try
        {
            return new(
                await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token), null, true);
        }
        catch (HttpRequestException error)
        {
            return new(
                null, $"The model at {options.Upstream.Host} cannot be reached: {error.Message}", !IsUnsent(error));
        }
        catch (OperationCanceledException)
        {
            return new(
                null, $"The model at {options.Upstream.Host} gave no answer within {options.FirstByte}.", true);
        }
    }

    /// <summary>How long to wait before the next attempt, or null where another one would not help.</summary>
    public TimeSpan? DelayBefore(int attempt, HttpResponseMessage? response)
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

    private static bool IsUnsent(HttpRequestException error) => error.HttpRequestError is
        HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
        or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError;

    private HttpRequestMessage Request(HttpRequest from, ReadOnlyMemory<byte> body, Action<string> dropped)
    {
        var query = from.Query["beta"] == "true" ? "?beta=true" : string.Empty;
        var target = options.Upstream.AbsoluteUri.TrimEnd('/') + from.Path.Value + query;
        var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new ReadOnlyMemoryContent(body) };

        // What was judged is JSON in UTF-8, whatever the agent calls it.
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.TryAddWithoutValidation("Accept", "application/json");
        RequestHeaders.Filter(
            from.Headers,
            options.Policy,
            (name, value) => request.Headers.TryAddWithoutValidation(name, value),
            dropped);
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
}
