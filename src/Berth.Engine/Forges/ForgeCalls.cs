using System.Net.Http.Headers;
using Berth.Protocol;

namespace Berth.Engine.Forges;

/// <summary>Calls of a service's REST API: each until it is answered, within bounds.</summary>
/// <remarks>
/// A redirect is followed with its method and body, at most five times, and only to the same scheme, host and port, for
/// the token is for no other. A rate limit is waited for as the service says, five minutes altogether. What is away or
/// breaks off is asked three times; whoever asks for something to be made says how to look whether it was.
/// </remarks>
internal sealed class ForgeCalls : IDisposable
{
    private const int MostBytes = 4 * 1024 * 1024;
    private const int MostHops = 5;
    private const int MostWaits = 10;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MostWait = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4)];

    private readonly Forge forge;
    private readonly TimeProvider time;
    private readonly HttpClient http;
    private TimeSpan waited;
    private int waits;
    private int failures;

    /// <summary>Makes one for a service.</summary>
    public ForgeCalls(Forge forge, TimeProvider time)
    {
        (this.forge, this.time) = (forge, time);
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MostBytes,
        };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", forge.Token);
        http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("Berth", "1"));
        if (forge.Kind == ForgeKind.GitHub)
        {
            http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/vnd.github+json"));
            http.DefaultRequestHeaders.Add("X-GitHub-Api-Version", "2022-11-28");
        }
    }

    /// <summary>Takes what people should know while it waits.</summary>
    public Action<string>? Say { get; init; }

    /// <summary>Whether an address was answered with a redirect that was followed.</summary>
    public bool HasMoved { get; private set; }

    /// <summary>Asks until there is an answer.</summary>
    /// <param name="method">How.</param>
    /// <param name="path">Where, below the API's address.</param>
    /// <param name="body">JSON, or null.</param>
    /// <param name="look">Looks whether a call that was not answered has been done all the same; null of what may be
    /// done twice.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The answer; null where <paramref name="look"/> has found that it is done.</returns>
    /// <exception cref="FailureException"><c>pull_request_unreachable</c>, <c>pull_request_rate_limited</c>,
    /// <c>pull_request_refused</c>.</exception>
    public async Task<ForgeAnswer?> AskAsync(
        HttpMethod method, string path, byte[]? body, Func<CancellationToken, Task<bool>>? look,
        CancellationToken cancel)
    {
        for (var tries = 0; ;)
        {
            var tried = await TryAsync(method, path, body, cancel);
            if (tried.Answer is { } given)
            {
                failures = 0;
                return given;
            }

            if (tried.IsLimited)
            {
                await WaitAsync(tried.Wait!.Value, cancel);
                continue;
            }

            // Three in a row are enough, also where some of them were made to look.
            if (tries == Pauses.Length || failures == Pauses.Length)
            {
                throw ForgeFailures.Unreachable(forge, tried.Why);
            }

            await (tried.Wait is { } asked
                ? WaitAsync(asked, cancel)
                : Task.Delay(Pauses[failures], time, cancel));
            (tries, failures) = (tries + 1, failures + 1);
            if (look is not null && await look(cancel))
            {
                return null;
            }
        }
    }

    public void Dispose() => http.Dispose();

    private async Task WaitAsync(TimeSpan wait, CancellationToken cancel)
    {
        var until = time.GetUtcNow() + wait;
        if (waited + wait > MostWait || waits == MostWaits)
        {
            throw ForgeFailures.RateLimited(forge, until, wait);
        }

        Say?.Invoke(
            $"{forge.Api.Host} asks its callers to wait: the pull request is asked for again at "
            + $"{ForgeFailures.Time(until)}.");
        (waited, waits) = (waited + wait, waits + 1);
        await Task.Delay(wait, time, cancel);
    }

    private async Task<Try> TryAsync(HttpMethod method, string path, byte[]? body, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            using var response = await FollowAsync(method, new Uri(forge.Api, path), body, either.Token);
            var bytes = await response.Content.ReadAsByteArrayAsync(either.Token);
            var answer = new ForgeAnswer(response.StatusCode, ForgeAnswer.Json(bytes))
            {
                Headers = Explaining(response),
            };
            var wait = ForgeRateLimit.WaitOf(response, answer.Message, time);
            return (int)response.StatusCode switch
            {
                403 or 429 when wait is not null => new Try(null, string.Empty, wait, IsLimited: true),
                >= 500 or 408 or 429 => new Try(null, $"it answered {(int)response.StatusCode}", wait),
                _ => new Try(answer, string.Empty),
            };
        }
        catch (HttpRequestException failed)
        {
            return new Try(null, $"it could not be reached ({failed.HttpRequestError})");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new Try(null, $"it did not answer within {Limit.TotalSeconds} s");
        }
    }

    private async Task<HttpResponseMessage> FollowAsync(
        HttpMethod method, Uri place, byte[]? body, CancellationToken cancel)
    {
        for (var hops = 0; ; hops++)
        {
            using var request = new HttpRequestMessage(method, place);
            if (body is not null)
            {
                request.Content = new ByteArrayContent(body);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            }

            var response = await http.SendAsync(request, cancel);
            if ((int)response.StatusCode is < 300 or >= 400)
            {
                return response;
            }

            using (response)
            {
                place = Next(place, response);
            }

            HasMoved = true;
            if (hops == MostHops)
            {
                throw ForgeFailures.Circle(forge, MostHops, place);
            }
        }
    }

    private Uri Next(Uri place, HttpResponseMessage response)
    {
        var next = response.Headers.Location is { } location ? new Uri(place, location) : null;
        return next is { UserInfo: "" } && (int)response.StatusCode is 301 or 302 or 307 or 308
            && Uri.Compare(
                next, forge.Api, UriComponents.SchemeAndServer, UriFormat.Unescaped, StringComparison.OrdinalIgnoreCase)
                == 0
            ? next
            : throw ForgeFailures.Moved(forge, response.StatusCode, next);
    }

    private static Dictionary<string, string> Explaining(HttpResponseMessage response)
    {
        var headers = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in ForgeFailures.HeadersRead)
        {
            if (response.Headers.TryGetValues(name, out var values))
            {
                headers[name] = string.Join(", ", values);
            }
        }

        return headers;
    }

    private sealed record Try(ForgeAnswer? Answer, string Why, TimeSpan? Wait = null, bool IsLimited = false);
}
