using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Berth.Engine.Processes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Berth.SystemTests.Delivery;

/// <summary>A git server as services are: git's own http-backend behind an HTTP server that asks for a token.</summary>
internal sealed class GitHttpServer : IAsyncDisposable
{
    private const string Backend = "/usr/lib/git-core/git-http-backend";
    private readonly ProcessRunner processes = new(TimeProvider.System);
    private readonly string folder;
    private readonly WebApplication web;
    private readonly TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource gate = new();

    private GitHttpServer(string folder, int port)
    {
        this.folder = folder;
        gate.SetResult();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port);
        });
        web = builder.Build();
        web.Run(AnswerAsync);
    }

    /// <summary>The token that it wants as the password; null for none.</summary>
    public string? Token { get; init; }

    /// <summary>Where everybody is sent instead of being answered.</summary>
    public string? RedirectTo { get; init; }

    /// <summary>What was asked: method, path, and what was shown.</summary>
    public ConcurrentQueue<(string Method, string Path, string? Authorization)> Asked { get; } = new();

    public int Port { get; private set; }

    /// <summary>Answers nobody who comes with the token until <see cref="LetGo"/>.</summary>
    public void Hold() => gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Answers again.</summary>
    public void LetGo() => gate.TrySetResult();

    /// <summary>Waits until somebody came with the token.</summary>
    public Task WhenAskedAsync() => asked.Task.WaitAsync(Eventually.Bound);

    /// <summary>Its address with a name for it: 127.0.0.1, unless another one leads here too.</summary>
    public string Url(string repository, string host = "127.0.0.1") =>
        string.Create(CultureInfo.InvariantCulture, $"http://{host}:{Port}/{repository}");

    /// <summary>How the place is called in the file of credentials.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    /// <summary>Serves the repositories of a folder.</summary>
    public static async Task<GitHttpServer> StartAsync(
        string folder, CancellationToken cancel, string? token = null, string? redirectTo = null, int port = 0)
    {
        var server = new GitHttpServer(folder, port) { Token = token, RedirectTo = redirectTo };
        await server.web.StartAsync(cancel);
        server.Port = new Uri(server.web.Urls.Single()).Port;
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        await web.StopAsync(CancellationToken.None);
        await web.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var shown = context.Request.Headers.Authorization.ToString();
        Asked.Enqueue((context.Request.Method, context.Request.Path, shown.Length == 0 ? null : shown));
        if (RedirectTo is { } elsewhere)
        {
            context.Response.Redirect(elsewhere + context.Request.Path + context.Request.QueryString);
            return;
        }

        if (Token is not null && !string.Equals(PasswordOf(shown), Token, StringComparison.Ordinal))
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"git\"";
            await context.Response.WriteAsync($"no such token: {PasswordOf(shown)}", context.RequestAborted);
            return;
        }

        asked.TrySetResult();
        await gate.Task.WaitAsync(context.RequestAborted);
        await PassOnAsync(context);
    }

    private async Task PassOnAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var result = await processes.RunAsync(
            new ProcessRequest
            {
                FileName = Backend,
                Arguments = [],
                Environment = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["PATH"] = "/usr/bin:/bin",
                    ["GIT_PROJECT_ROOT"] = folder,
                    ["GIT_HTTP_EXPORT_ALL"] = "1",
                    ["GIT_CONFIG_NOSYSTEM"] = "1",
                    ["REMOTE_USER"] = "tester",
                    ["REQUEST_METHOD"] = context.Request.Method,
                    ["PATH_INFO"] = context.Request.Path,
                    ["QUERY_STRING"] = context.Request.QueryString.ToString().TrimStart('?'),
                    ["CONTENT_TYPE"] = context.Request.ContentType ?? string.Empty,
                    ["CONTENT_LENGTH"] = body.Length.ToString(CultureInfo.InvariantCulture),
                    ["HTTP_CONTENT_ENCODING"] = context.Request.Headers.ContentEncoding.ToString(),
                    ["HTTP_GIT_PROTOCOL"] = context.Request.Headers["Git-Protocol"].ToString(),
                    ["GIT_PROTOCOL"] = context.Request.Headers["Git-Protocol"].ToString(),
                },
                Timeout = TimeSpan.FromMinutes(1),
                Input = body.ToArray(),
            },
            context.RequestAborted);
        await WriteAsync(context.Response, result.Output);
    }

    // As CGI has it: headers, an empty line, the body.
    private static async Task WriteAsync(HttpResponse response, ReadOnlyMemory<byte> output)
    {
        var end = output.Span.IndexOf("\r\n\r\n"u8);
        foreach (var line in Encoding.Latin1.GetString(output.Span[..end]).Split("\r\n"))
        {
            var (name, value) = (line[..line.IndexOf(':', StringComparison.Ordinal)], line.Split(": ", 2)[1]);
            if (name is "Status")
            {
                response.StatusCode = int.Parse(value[..3], CultureInfo.InvariantCulture);
            }
            else
            {
                response.Headers[name] = value;
            }
        }

        await response.Body.WriteAsync(output[(end + 4)..]);
    }

    private static string? PasswordOf(string header) =>
        header.StartsWith("Basic ", StringComparison.Ordinal)
            ? Encoding.UTF8.GetString(Convert.FromBase64String(header["Basic ".Length..])).Split(':', 2)[^1]
            : null;
}
