using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Berth.SystemTests.Delivery;

/// <summary>Stands in for the REST APIs of GitHub and GitLab: the two calls for pull requests and the one for the
/// repository, with the fields, statuses and headers that their documents have. What breaks those is answered 400.
/// </summary>
/// <remarks>
/// docs.github.com/en/rest/pulls/pulls (version 2022-11-28): POST and GET /repos/{owner}/{repo}/pulls.
/// docs.gitlab.com/api/merge_requests: POST and GET /projects/:id/merge_requests.
/// A request that opens one may have fields of the published schemas only: of GitHub's (required head and base; title,
/// body, draft, issue, head_repo, maintainer_can_modify) ours has four, of GitLab's (required source_branch,
/// target_branch and title; description and others) four, each a text.
/// </remarks>
internal sealed class ForgeStandIn : IAsyncDisposable
{
    private readonly WebApplication web;
    private readonly Lock gate = new();
    private int number = 40;

    private ForgeStandIn()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        web = builder.Build();
        web.Run(AnswerAsync);
    }

    public const string Token = "f0rge-token-0123456789";

    /// <summary>What was opened: branch, base, title, text.</summary>
    public ConcurrentQueue<(string Branch, string Base, string Title, string Body)> Opened { get; } = new();

    /// <summary>Statuses that are answered before anything else, one for each request.</summary>
    public ConcurrentQueue<int> Faults { get; } = new();

    /// <summary>Every request line, and whether it was shown the token.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public string GitHub => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/api/v3");

    public string GitLab => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/api/v4");

    private int Port => new Uri(web.Urls.Single()).Port;

    public static async Task<ForgeStandIn> StartAsync(CancellationToken cancel)
    {
        var forge = new ForgeStandIn();
        await forge.web.StartAsync(cancel);
        return forge;
    }

    public async ValueTask DisposeAsync()
    {
        await web.StopAsync(CancellationToken.None);
        await web.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        var path = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
        Asked.Enqueue($"{request.Method} {path}");
        if (Faults.TryDequeue(out var fault))
        {
            context.Response.StatusCode = fault;
            context.Response.Headers.Location = "http://127.0.0.1:1/elsewhere";
        }
        else if (request.Headers.Authorization.ToString() is not $"Bearer {Token}")
        {
            await SayAsync(context, 401, new { message = "Bad credentials" });
        }
        else if (path.StartsWith("/api/v3/repos/me/shop", StringComparison.Ordinal))
        {
            var isRight = request.Headers["X-GitHub-Api-Version"].ToString() is "2022-11-28"
                && request.Headers.Accept.ToString() is "application/vnd.github+json"
                && request.Headers.UserAgent.Count > 0;
            await (isRight
                ? GitHubAsync(context, path["/api/v3/repos/me/shop".Length..])
                : SayAsync(context, 400, new { message = "headers" }));
        }
        else if (path.StartsWith("/api/v4/projects/me%2Fshop", StringComparison.Ordinal))
        {
            await GitLabAsync(context, path["/api/v4/projects/me%2Fshop".Length..]);
        }
        else
        {
            await SayAsync(context, 404, new { message = "Not Found" });
        }
    }

    private async Task GitHubAsync(HttpContext context, string rest)
    {
        if (context.Request.Method is "GET")
        {
            var branch = context.Request.Query["head"].ToString();
            await SayAsync(context, 200, rest.Length == 0
                ? new { default_branch = "main" }
                : Open(branch.StartsWith("me:", StringComparison.Ordinal) ? branch[3..] : string.Empty)
                    .Select(at => new { html_url = $"https://forge.example/me/shop/pull/{at}", number = at }));
            return;
        }

        var order = await ReadAsync(context, "title", "head", "base", "body");
        if (rest is not "/pulls" || order is null)
        {
            await SayAsync(context, 400, new { message = "Problems parsing JSON" });
        }
        else if (Open(order["head"]).Count > 0)
        {
            await SayAsync(context, 422, new
            {
                message = "Validation Failed",
                errors = new[] { new { message = $"A pull request already exists for me:{order["head"]}." } },
            });
        }
        else if (order["base"] is not "main")
        {
            var errors = new[] { new { field = "base" } };
            await SayAsync(context, 422, new { message = "Validation Failed", errors });
        }
        else
        {
            var at = Add(order["head"], order["base"], order["title"], order["body"]);
            await SayAsync(
                context, 201, new { html_url = $"https://forge.example/me/shop/pull/{at}", number = at });
        }
    }

    private async Task GitLabAsync(HttpContext context, string rest)
    {
        if (context.Request.Method is "GET")
        {
            await SayAsync(context, 200, rest.Length == 0
                ? new { default_branch = "main" }
                : Open(context.Request.Query["source_branch"].ToString()).Select(
                    at => new { web_url = $"https://forge.example/me/shop/-/merge_requests/{at}", iid = at }));
            return;
        }

        var order = await ReadAsync(context, "title", "source_branch", "target_branch", "description");
        if (rest is not "/merge_requests" || order is null)
        {
            await SayAsync(context, 400, new { error = "a parameter is missing" });
        }
        else if (Open(order["source_branch"]).Count > 0)
        {
            await SayAsync(
                context, 409, new { message = new[] { "Another open merge request already exists for this source" } });
        }
        else
        {
            var at = Add(order["source_branch"], order["target_branch"], order["title"], order["description"]);
            await SayAsync(
                context, 201, new { web_url = $"https://forge.example/me/shop/-/merge_requests/{at}", iid = at });
        }
    }

    private List<int> Open(string branch) =>
        [.. Opened.Index().Where(one => string.Equals(one.Item.Branch, branch, StringComparison.Ordinal))
            .Select(one => one.Index + 41)];

    private int Add(string branch, string target, string title, string body)
    {
        lock (gate)
        {
            Opened.Enqueue((branch, target, title, body));
            return ++number;
        }
    }

    // Just these fields, each a text.
    private static async Task<Dictionary<string, string>?> ReadAsync(HttpContext context, params string[] fields)
    {
        try
        {
            var order = await JsonSerializer.DeserializeAsync<Dictionary<string, string>>(context.Request.Body);
            return context.Request.ContentType is "application/json"
                && order!.Keys.Order(StringComparer.Ordinal).SequenceEqual(fields.Order(StringComparer.Ordinal))
                    ? order
                    : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Task SayAsync(HttpContext context, int status, object answer)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsJsonAsync(answer);
    }
}
