using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Berth.SystemTests.Delivery;

/// <summary>Stands in for the REST APIs of GitHub and GitLab: the calls for pull requests and the one for the
/// repository, with the fields, statuses and headers that their documents have. What breaks those is answered 400.
/// </summary>
/// <remarks>
/// docs.github.com/en/rest/pulls/pulls (version 2022-11-28), docs.gitlab.com/api/merge_requests. With
/// <see cref="Schema"/> each request to GitHub is held against the published schema, field by field.
/// </remarks>
internal sealed class ForgeStandIn : IAsyncDisposable
{
    private const string GitHubBase = "/api/v3/";
    private const string GitLabBase = "/api/v4/";
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

    /// <summary>The same with headers and words, or as a connection that is cut.</summary>
    public ConcurrentQueue<ForgeFault> Answers { get; } = new();

    /// <summary>Every request line, and whether it was shown the token.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    /// <summary>The body of each request that had one, after its request line.</summary>
    public ConcurrentQueue<(string Line, string Body)> Bodies { get; } = new();

    /// <summary>What GitHub publishes of itself, where requests are to be held against it.</summary>
    public ForgeSchema? Schema { get; init; }

    /// <summary>What the repository is called now: requests by its old name are redirected with
    /// <see cref="RedirectStatus"/>.</summary>
    public string? RenamedTo { get; set; }

    public int RedirectStatus { get; set; } = 301;

    /// <summary>Labels and accounts that are refused.</summary>
    public HashSet<string> Unknown { get; } = new(StringComparer.Ordinal);

    public string GitHub => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/api/v3");

    public string GitLab => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}/api/v4");

    private int Port => new Uri(web.Urls.Single()).Port;

    private string Name => RenamedTo ?? "me/shop";

    public static async Task<ForgeStandIn> StartAsync(CancellationToken cancel, ForgeSchema? schema = null)
    {
        var forge = new ForgeStandIn { Schema = schema };
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
        request.EnableBuffering();
        var text = await new StreamReader(request.Body, leaveOpen: true).ReadToEndAsync(context.RequestAborted);
        request.Body.Position = 0;
        if (text.Length > 0)
        {
            Bodies.Enqueue(($"{request.Method} {path}", text));
        }

        if (Answers.TryDequeue(out var answer))
        {
            await FailAsync(context, path, answer);
        }
        else if (Faults.TryDequeue(out var fault))
        {
            context.Response.StatusCode = fault;
            context.Response.Headers.Location = "http://127.0.0.1:1/elsewhere";
        }
        else
        {
            await ServeAsync(context, path, text);
        }
    }

    private async Task FailAsync(HttpContext context, string path, ForgeFault fault)
    {
        if (fault.IsDone)
        {
            // It does what it was asked for, and nobody hears of it.
            var body = context.Response.Body;
            using var lost = new MemoryStream();
            context.Response.Body = lost;
            await ServeAsync(context, path, string.Empty);
            context.Response.Body = body;
        }

        if (fault.Status is not { } status)
        {
            context.Abort();
            return;
        }

        foreach (var (name, value) in fault.Headers)
        {
            context.Response.Headers[name] = value;
        }

        await SayAsync(context, status, new { message = fault.Message });
    }

    private async Task ServeAsync(HttpContext context, string path, string text)
    {
        var request = context.Request;
        if (request.Headers.Authorization.ToString() is not $"Bearer {Token}"
            && request.Headers["PRIVATE-TOKEN"].ToString() is not Token)
        {
            await SayAsync(context, 401, new { message = "Bad credentials" });
        }
        else if (path.StartsWith(GitHubBase, StringComparison.Ordinal))
        {
            var isRight = request.Headers["X-GitHub-Api-Version"].ToString() is "2022-11-28"
                && request.Headers.Accept.ToString() is "application/vnd.github+json"
                && request.Headers.UserAgent.Count > 0;
            var wrong = isRight ? Schema?.Wrong(request.Method, path[(GitHubBase.Length - 1)..], text) : "headers";
            await (wrong is null
                ? GitHubAsync(context, path[GitHubBase.Length..])
                : SayAsync(context, 400, new { message = wrong }));
        }
        else if (path.StartsWith(GitLabBase, StringComparison.Ordinal))
        {
            await GitLabAsync(context, path[GitLabBase.Length..]);
        }
        else
        {
            await SayAsync(context, 404, new { message = "Not Found" });
        }
    }

    private async Task GitHubAsync(HttpContext context, string path)
    {
        if (RestOf(context, path, "repos/me/shop", $"repos/{Name}", "repositories/7") is not { } rest)
        {
            return;
        }

        if (context.Request.Method is "GET")
        {
            var owner = Name.Split('/')[0] + ":";
            var (branch, into) = (context.Request.Query["head"].ToString(), context.Request.Query["base"].ToString());
            await SayAsync(context, 200, rest.StartsWith("/pulls", StringComparison.Ordinal)
                ? Open(branch.StartsWith(owner, StringComparison.Ordinal) ? branch[owner.Length..] : string.Empty, into)
                    .Select(GitHubRequest)
                : new { default_branch = "main", full_name = Name });
        }
        else if (rest is "/pulls")
        {
            await OpenAtGitHubAsync(context);
        }
        else if (rest.EndsWith("/labels", StringComparison.Ordinal))
        {
            await AddAsync(context, 200, "labels");
        }
        else if (rest.EndsWith("/requested_reviewers", StringComparison.Ordinal))
        {
            await AddAsync(context, 201, "reviewers", "team_reviewers");
        }
        else
        {
            await SayAsync(context, 404, new { message = "Not Found" });
        }
    }

    private async Task OpenAtGitHubAsync(HttpContext context)
    {
        var order = await ReadAsync(context, "title", "head", "base", "body");
        if (order is null)
        {
            await SayAsync(context, 400, new { message = "Problems parsing JSON" });
        }
        else if (Open(order["head"], order["base"]).Count > 0)
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
            await SayAsync(
                context, 201, GitHubRequest(Add(order["head"], order["base"], order["title"], order["body"])));
        }
    }

    private async Task AddAsync(HttpContext context, int status, params string[] lists)
    {
        using var asked = await JsonDocument.ParseAsync(context.Request.Body);
        var names = asked.RootElement.EnumerateObject()
            .Where(list => lists.Contains(list.Name, StringComparer.Ordinal))
            .SelectMany(list => list.Value.EnumerateArray()).Select(name => name.GetString()!).ToList();
        await SayAsync(
            context,
            names.Exists(Unknown.Contains) ? 422 : status,
            names.Exists(Unknown.Contains) ? new { message = "Validation Failed" } : new { });
    }

    private async Task GitLabAsync(HttpContext context, string path)
    {
        if (path.StartsWith("users?", StringComparison.Ordinal))
        {
            var name = context.Request.Query["username"].ToString();
            await SayAsync(
                context, 200, Unknown.Contains(name) ? [] : new[] { new { id = name.Length, username = name } });
            return;
        }

        if (RestOf(context, path, "projects/me%2Fshop", $"projects/{Uri.EscapeDataString(Name)}", "projects/7")
            is not { } rest)
        {
            return;
        }

        if (context.Request.Method is "GET")
        {
            var query = context.Request.Query;
            await SayAsync(context, 200, rest.StartsWith("/merge_requests", StringComparison.Ordinal)
                ? Open(query["source_branch"].ToString(), query["target_branch"].ToString()).Select(GitLabRequest)
                : new { default_branch = "main", path_with_namespace = Name });
            return;
        }

        var order = await ReadAsync(context, "title", "source_branch", "target_branch", "description");
        if (rest is not "/merge_requests" || order is null)
        {
            await SayAsync(context, 400, new { error = "a parameter is missing" });
        }
        else if (Open(order["source_branch"], order["target_branch"]).Count > 0)
        {
            await SayAsync(
                context, 409, new { message = new[] { "Another open merge request already exists for this source" } });
        }
        else
        {
            await SayAsync(
                context,
                201,
                GitLabRequest(Add(
                    order["source_branch"], order["target_branch"], order["title"], order["description"])));
        }
    }

    // What follows the repository in the path; null where it was redirected or is not there.
    private string? RestOf(HttpContext context, string path, string old, string now, string byNumber)
    {
        if (RenamedTo is not null && path.StartsWith(old, StringComparison.Ordinal)
            && !path.StartsWith(now, StringComparison.Ordinal))
        {
            var place = string.Concat(
                context.Features.Get<IHttpRequestFeature>()!.RawTarget.AsSpan(0, GitHubBase.Length), byNumber,
                path.AsSpan(old.Length));
            context.Response.StatusCode = RedirectStatus;
            context.Response.Headers.Location = $"http://{context.Request.Host}{place}";
            return null;
        }

        foreach (var known in new[] { now, byNumber })
        {
            if (path.StartsWith(known, StringComparison.Ordinal))
            {
                return path[known.Length..];
            }
        }

        context.Response.StatusCode = 404;
        return null;
    }

    private object GitHubRequest(int at) => new { html_url = $"https://forge.example/{Name}/pull/{at}", number = at };

    private object GitLabRequest(int at) =>
        new { web_url = $"https://forge.example/{Name}/-/merge_requests/{at}", iid = at };

    private List<int> Open(string branch, string target) =>
        [.. Opened.Index().Where(one => string.Equals(one.Item.Branch, branch, StringComparison.Ordinal)
                && (target.Length == 0 || string.Equals(one.Item.Base, target, StringComparison.Ordinal)))
            .Select(one => one.Index + 41)];

    private int Add(string branch, string target, string title, string body)
    {
        lock (gate)
        {
            Opened.Enqueue((branch, target, title, body));
            return ++number;
        }
    }

    // These fields, each a text; beside them only what the services know.
    private static async Task<Dictionary<string, string>?> ReadAsync(HttpContext context, params string[] fields)
    {
        string[] others = ["draft", "labels", "reviewer_ids", "remove_source_branch", "squash"];
        try
        {
            using var order = await JsonDocument.ParseAsync(context.Request.Body);
            var given = order.RootElement.EnumerateObject().ToList();
            return context.Request.ContentType?.StartsWith("application/json", StringComparison.Ordinal) == true
                && given.Select(each => each.Name).Except(others, StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal).SequenceEqual(fields.Order(StringComparer.Ordinal))
                    ? given.ToDictionary(
                        each => each.Name, each => each.Value.ToString(), StringComparer.Ordinal)
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
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.Body.WriteAsync(
            Encoding.UTF8.GetBytes(JsonSerializer.Serialize(answer)), CancellationToken.None).AsTask();
    }
}

/// <summary>An answer in the place of the right one.</summary>
/// <param name="Status">Its status; null for a connection that is cut.</param>
internal sealed record ForgeFault(int? Status)
{
    public Dictionary<string, string> Headers { get; init; } = new(StringComparer.Ordinal);

    public string Message { get; init; } = "It failed.";

    /// <summary>Whether what was asked for is done all the same.</summary>
    public bool IsDone { get; init; }
}
