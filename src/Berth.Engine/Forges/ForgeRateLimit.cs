using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Berth.Engine.Forges;

/// <summary>Reads how long a service wants its caller to wait.</summary>
/// <remarks>
/// GitHub answers 403 or 429, with <c>retry-after</c> (secondary limits) or with <c>x-ratelimit-remaining: 0</c> and
/// <c>x-ratelimit-reset</c>, or with nothing but words, where its documents ask for a minute. GitLab answers 429 with
/// <c>Retry-After</c> and <c>RateLimit-Reset</c>. Microsoft.Extensions.Http.Resilience knows the first header alone;
/// docs/adr/0033 compares.
/// </remarks>
internal static class ForgeRateLimit
{
    private static readonly TimeSpan Unsaid = TimeSpan.FromMinutes(1);

    // Below this it is a number of seconds, as RFC drafts have it, and no time since 1970.
    private const long EarliestTime = 1_000_000_000;

    /// <summary>The wait that the answer asks for, or null where it is no such answer.</summary>
    public static TimeSpan? WaitOf(HttpResponseMessage response, string words, TimeProvider time)
    {
        var status = response.StatusCode;
        if (status is not (HttpStatusCode.Forbidden or HttpStatusCode.TooManyRequests
            or HttpStatusCode.ServiceUnavailable))
        {
            return null;
        }

        // Their clock, not ours: the two may differ by more than the wait.
        var headers = response.Headers;
        var now = headers.Date ?? time.GetUtcNow();
        if (RetryAfter(headers, now) is { } asked)
        {
            return asked;
        }

        if (One(headers, "x-ratelimit-remaining", "ratelimit-remaining") is "0"
            && status != HttpStatusCode.ServiceUnavailable)
        {
            return Reset(headers, now) ?? Unsaid;
        }

        return status != HttpStatusCode.ServiceUnavailable && IsLimit(words) ? Unsaid : null;
    }

    private static bool IsLimit(string words) =>
        words.Contains("rate limit", StringComparison.OrdinalIgnoreCase)
        || words.Contains("abuse detection", StringComparison.OrdinalIgnoreCase);

    private static TimeSpan? RetryAfter(HttpResponseHeaders headers, DateTimeOffset now) => headers.RetryAfter switch
    {
        { Delta: { } delta } => AtLeastZero(delta),
        { Date: { } date } => AtLeastZero(date - now),
        _ => null,
    };

    // A second more, for the header is in whole seconds.
    private static TimeSpan? Reset(HttpResponseHeaders headers, DateTimeOffset now)
    {
        var text = One(headers, "x-ratelimit-reset", "ratelimit-reset");
        return !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? null
            : seconds < EarliestTime ? TimeSpan.FromSeconds(seconds + 1)
            : seconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
                ? AtLeastZero(DateTimeOffset.FromUnixTimeSeconds(seconds) - now) + TimeSpan.FromSeconds(1)
            : null;
    }

    private static TimeSpan AtLeastZero(TimeSpan wait) => wait < TimeSpan.Zero ? TimeSpan.Zero : wait;

    private static string? One(HttpResponseHeaders headers, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (headers.TryGetValues(name, out var values))
            {
                return values.First().Trim();
            }
        }

        return null;
    }
}
