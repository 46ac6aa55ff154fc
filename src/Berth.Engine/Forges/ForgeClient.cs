using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Forges;

/// <summary>Opens pull requests by the REST APIs of GitHub (2022-11-28) and GitLab (v4).</summary>
/// <remarks>
/// Asked for again, it finds the one that is open for the branch. A service that is away or busy is asked three times.
/// No redirect is followed, for the token is for the address that was named.
/// </remarks>
internal sealed class ForgeClient : IDisposable
{
    private const int MostBytes = 4 * 1024 * 1024;
    private const int MostMessage = 300;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4)];

    private readonly Forge forge;
    private readonly TimeProvider time;
    private readonly HttpClient http;

    /// <summary>Makes one for a service.</summary>
    public ForgeClient(Forge forge, TimeProvider time)
    {
        (this.forge, this.time) = (forge, time);
        http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
        {
            BaseAddress = forge.Api,
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

    private string Project => forge.Kind == ForgeKind.GitHub
        ? $"repos/{string.Join('/', forge.Repository.Split('/').Select(Uri.EscapeDataString))}"
        : $"projects/{Uri.EscapeDataString(forge.Repository)}";

    private string Requests => forge.Kind == ForgeKind.GitHub ? $"{Project}/pulls" : $"{Project}/merge_requests";

    /// <summary>Opens one, or finds the one that is open.</summary>
    /// <exception cref="FailureException"><c>pull_request_refused</c>, <c>pull_request_unreachable</c>.</exception>
    public async Task<PullRequestRecord> OpenAsync(PullRequestOrder order, CancellationToken cancel)
    {
        var target = order.Base ?? await DefaultBranchAsync(cancel);
        var (status, answer) = await AskAsync(HttpMethod.Post, Requests, BodyOf(order, target), cancel);
        if (status == HttpStatusCode.Created)
        {
            return RecordOf(answer);
        }

        if (status is HttpStatusCode.UnprocessableEntity or HttpStatusCode.Conflict
            && await FindOpenAsync(order.Branch, cancel) is { } open)
        {
            return open;
        }

        throw Refused(status, answer);
    }

    public void Dispose() => http.Dispose();

    private async Task<string> DefaultBranchAsync(CancellationToken cancel)
    {
        var (status, answer) = await AskAsync(HttpMethod.Get, Project, null, cancel);
        return status == HttpStatusCode.OK
            && Member(answer, "default_branch") is { ValueKind: JsonValueKind.String } name
            ? name.GetString()!
            : throw Refused(status, answer);
    }

    private async Task<PullRequestRecord?> FindOpenAsync(string branch, CancellationToken cancel)
    {
        var name = Uri.EscapeDataString(branch);
        var query = forge.Kind == ForgeKind.GitHub
            ? $"{Requests}?state=open&head={Uri.EscapeDataString(forge.Repository.Split('/')[0])}:{name}&per_page=1"
            : $"{Requests}?state=opened&source_branch={name}&per_page=1";
        var (status, answer) = await AskAsync(HttpMethod.Get, query, null, cancel);
        return status == HttpStatusCode.OK && answer is { ValueKind: JsonValueKind.Array } found
            && found.GetArrayLength() > 0
            ? RecordOf(found[0])
            : null;
    }

    private byte[] BodyOf(PullRequestOrder order, string target)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("title", order.Title);
            json.WriteString(forge.Kind == ForgeKind.GitHub ? "head" : "source_branch", order.Branch);
            json.WriteString(forge.Kind == ForgeKind.GitHub ? "base" : "target_branch", target);
            json.WriteString(forge.Kind == ForgeKind.GitHub ? "body" : "description", order.Body);
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    private PullRequestRecord RecordOf(JsonElement? answer)
    {
        var (address, name) = forge.Kind == ForgeKind.GitHub ? ("html_url", "number") : ("web_url", "iid");
        return Member(answer, address) is { ValueKind: JsonValueKind.String } url
            && Member(answer, name) is { ValueKind: JsonValueKind.Number } number
            ? new PullRequestRecord(url.GetString()!, number.GetInt64())
            : throw Unreachable("its answer has no address of a pull request");
    }

    private async Task<(HttpStatusCode Status, JsonElement? Answer)> AskAsync(
        HttpMethod method, string path, byte[]? body, CancellationToken cancel)
    {
        for (var tries = 0; ; tries++)
        {
            var (answer, why) = await TryAsync(method, path, body, cancel);
            if (answer is { } given)
            {
                return given;
            }

            if (tries == Pauses.Length)
            {
                throw Unreachable(why);
            }

            await Task.Delay(Pauses[tries], time, cancel);
        }
    }

    private async Task<((HttpStatusCode Status, JsonElement? Answer)? Given, string Why)> TryAsync(
        HttpMethod method, string path, byte[]? body, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        using var limit = new CancellationTokenSource(Limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            using var response = await http.SendAsync(request, either.Token);
            if ((int)response.StatusCode >= 500 || response.StatusCode == HttpStatusCode.TooManyRequests)
            {
                return (null, $"it answered {(int)response.StatusCode}");
            }

            var bytes = await response.Content.ReadAsByteArrayAsync(either.Token);
            return ((response.StatusCode, Json(bytes)), string.Empty);
        }
        catch (HttpRequestException failed)
        {
            return (null, $"it could not be reached ({failed.HttpRequestError})");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, $"it did not answer within {Limit.TotalSeconds} s");
        }
    }

    private static JsonElement? Json(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static JsonElement? Member(JsonElement? answer, string name) =>
        answer is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out var member)
            ? member
            : null;

    private FailureException Refused(HttpStatusCode status, JsonElement? answer)
    {
        var said = (Member(answer, "message") ?? Member(answer, "error"))?.ToString() ?? string.Empty;
        if (Member(answer, "errors") is { } errors)
        {
            said += $" {errors.GetRawText()}";
        }

        said = said.Length > MostMessage ? said[..MostMessage] + " …" : said;
        return new FailureException(
            "pull_request_refused",
            $"Delivery failed: the branch is pushed, and {forge.Api.Host} refused the pull request "
                + $"({(int)status}): {said}",
            "May the token of the host open pull requests, and is there no rule against this one?",
            Fault.Operator);
    }

    private FailureException Unreachable(string why) => new(
        "pull_request_unreachable",
        $"Delivery failed: the branch is pushed, and {forge.Api.Host} could not be asked for a pull request: {why}.",
        "Wait until the service is there.",
        Fault.Nobody);
}
