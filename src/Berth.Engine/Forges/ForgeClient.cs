using System.Net;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Forges;

/// <summary>Opens pull requests by the REST APIs of GitHub (2022-11-28) and GitLab (v4).</summary>
/// <remarks>
/// Asked for again, it finds the one that is open for the branch. Where a call broke off it looks for one before it
/// asks again, so that no two are opened.
/// </remarks>
internal sealed class ForgeClient : IDisposable
{
    private readonly ForgeCalls calls;
    private Forge forge;

    /// <summary>Makes one for a service.</summary>
    /// <param name="forge">The service.</param>
    /// <param name="time">The clock of its waits.</param>
    /// <param name="say">Takes what people should know while it waits.</param>
    public ForgeClient(Forge forge, TimeProvider time, Action<string>? say = null)
    {
        this.forge = forge;
        calls = new ForgeCalls(forge, time) { Say = say };
    }

    private bool IsGitHub => forge.Kind == ForgeKind.GitHub;

    private string Project => IsGitHub
        ? $"repos/{string.Join('/', forge.Repository.Split('/').Select(Uri.EscapeDataString))}"
        : $"projects/{Uri.EscapeDataString(forge.Repository)}";

    private string Requests => IsGitHub ? $"{Project}/pulls" : $"{Project}/merge_requests";

    /// <summary>Opens one, or finds the one that is open.</summary>
    /// <exception cref="FailureException"><c>pull_request_refused</c>, <c>pull_request_sso_required</c>,
    /// <c>pull_request_rate_limited</c>, <c>pull_request_unreachable</c>.</exception>
    public async Task<PullRequestRecord> OpenAsync(PullRequestOrder order, CancellationToken cancel)
    {
        var target = order.Base ?? await DefaultBranchAsync(cancel);
        var extras = new PullRequestExtras(forge.Kind, calls);
        var reviewers = IsGitHub ? [] : await extras.ReviewerIdsAsync(order.Reviewers, cancel);
        PullRequestRecord? found = null;
        var answer = await calls.AskAsync(
            HttpMethod.Post,
            Requests,
            PullRequestBody.Of(forge.Kind, order, target, reviewers),
            async token => (found = await FindOpenAsync(order.Branch, target, token)) is not null,
            cancel);
        if (answer?.Status == HttpStatusCode.Created)
        {
            // An answer without an address may be of one that was opened.
            found = RecordOf(answer.Body) ?? await FindOpenAsync(order.Branch, target, cancel)
                ?? throw ForgeFailures.Unreachable(forge, "its answer has no address of a pull request");
        }
        else if (answer?.Status is HttpStatusCode.UnprocessableEntity or HttpStatusCode.Conflict)
        {
            found = await FindOpenAsync(order.Branch, target, cancel);
        }

        var opened = found ?? throw ForgeFailures.Refused(forge, answer!);
        if (IsGitHub)
        {
            await extras.AddAsync(Project, opened.Number, order, cancel);
        }

        return opened with
        {
            MovedTo = calls.HasMoved ? RepositoryOf(opened.Url) : null,
            Warnings = extras.Warnings,
        };
    }

    public void Dispose() => calls.Dispose();

    private async Task<string> DefaultBranchAsync(CancellationToken cancel)
    {
        var answer = (await calls.AskAsync(HttpMethod.Get, Project, null, null, cancel))!;
        Heed(answer);
        return answer.Status == HttpStatusCode.OK && answer.Text("default_branch") is { } name
            ? name
            : throw ForgeFailures.Refused(forge, answer);
    }

    // A renamed repository is asked by its new name from here on: in some questions the owner stands a second time.
    private void Heed(ForgeAnswer project)
    {
        if (calls.HasMoved && project.Text(IsGitHub ? "full_name" : "path_with_namespace") is { Length: > 0 } name)
        {
            forge = forge with { Repository = name };
        }
    }

    private async Task<PullRequestRecord?> FindOpenAsync(string branch, string target, CancellationToken cancel)
    {
        if (calls.HasMoved)
        {
            Heed((await calls.AskAsync(HttpMethod.Get, Project, null, null, cancel))!);
        }

        var (name, into) = (Uri.EscapeDataString(branch), Uri.EscapeDataString(target));
        var query = IsGitHub
            ? $"{Requests}?state=open&head={Uri.EscapeDataString(forge.Repository.Split('/')[0])}:{name}&base={into}"
                + "&per_page=1"
            : $"{Requests}?state=opened&source_branch={name}&target_branch={into}&per_page=1";
        var answer = (await calls.AskAsync(HttpMethod.Get, query, null, null, cancel))!;
        return answer is { Status: HttpStatusCode.OK, Body: { ValueKind: JsonValueKind.Array } found }
            && found.GetArrayLength() > 0
                ? RecordOf(found[0])
                : null;
    }

    private PullRequestRecord? RecordOf(JsonElement? answer)
    {
        var (address, name) = IsGitHub ? ("html_url", "number") : ("web_url", "iid");
        return ForgeAnswer.Member(answer, address) is { ValueKind: JsonValueKind.String } url
            && ForgeAnswer.Member(answer, name) is { ValueKind: JsonValueKind.Number } number
            && number.TryGetInt64(out var at)
                ? new PullRequestRecord(url.GetString()!, at)
                : null;
    }

    // The page of a pull request begins with its repository's.
    private string RepositoryOf(string url)
    {
        var end = url.LastIndexOf(IsGitHub ? "/pull/" : "/-/merge_requests/", StringComparison.Ordinal);
        return end > 0 ? url[..end] : url;
    }
}
