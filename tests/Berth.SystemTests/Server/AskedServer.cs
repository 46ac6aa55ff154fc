using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Berth.Tests.Server;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>Something that is to be refused.</summary>
/// <param name="Operation">What is asked.</param>
/// <param name="Status">The answer's status.</param>
/// <param name="Code">And its code.</param>
internal sealed record WrongCall(ApiOperation Operation, int Status, string Code)
{
    /// <summary>Whose; an admin's where nothing is said.</summary>
    public string? Token { get; init; }

    /// <summary>With what; what is right where nothing is said.</summary>
    public string? Body { get; init; }

    public string Type { get; init; } = "application/json";

    public string Query { get; init; } = string.Empty;
}

/// <summary>A server that has a run and a workflow, and is asked for much that it has to refuse.</summary>
internal sealed class AskedServer : IAsyncDisposable
{
    private static readonly string Codes = File.ReadAllText(
        Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "TROUBLESHOOTING.md"));

    private readonly HttpClient http = new() { Timeout = BerthHome.Patience };
    private IReadOnlyList<string> before = [];
    private int asked;

    private AskedServer(ServerHome server, string run) => (Server, Calls) = (server, new ApiCalls(server, run));

    public ServerHome Server { get; }

    public ApiCalls Calls { get; }

    public string Viewer { get; private init; } = string.Empty;

    public string Operator { get; private init; } = string.Empty;

    public static async Task<AskedServer> StartAsync(CancellationToken cancel)
    {
        // Each request comes from another address, as its proxy says: wrong tokens do not wait for each other.
        var server = await ServerHome.StartAsync(cancel, [("BERTH_PROXIES", "127.0.0.1")]);
        try
        {
            return await FurnishAsync(server, cancel);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks, and sees it refused.</summary>
    public async Task RefusesAsync(WrongCall call)
    {
        var cancel = TestContext.Current.CancellationToken;
        var what = $"{call.Operation} {call.Status} {call.Code}";
        using var request = Calls.Request(call.Operation, call.Token ?? Server.Token);
        request.RequestUri = new Uri(request.RequestUri + call.Query);
        if (call.Body is not null)
        {
            request.Content = new StringContent(call.Body, Encoding.UTF8, new MediaTypeHeaderValue(call.Type));
            request.Headers.ExpectContinue = call.Body.Length > 1024 * 1024;
        }

        request.Headers.Add("X-Forwarded-For", NextAddress());
        using var response = await http.SendAsync(request, cancel);
        var text = await response.Content.ReadAsStringAsync(cancel);

        Assert.True(call.Status == (int)response.StatusCode, $"{what}: {(int)response.StatusCode} {text}");
        Assert.True(call.Operation.Names(call.Status), $"{what}: the document does not name the status");
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal((call.Code, what), (AssertProblem(text, call.Status), what));
    }

    /// <summary>Sends bytes as the body, and tells whether they were refused in words.</summary>
    public async Task<bool> RefusesAsync(ApiOperation operation, byte[] body)
    {
        using var request = Calls.Request(operation, Server.Token);
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var status = (int)response.StatusCode;
        AssertProblem(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), status);
        return status is >= 400 and < 500;
    }

    /// <summary>Sends bytes as the body, which may be good by chance: no answer is a defect, and each refusal is in
    /// words.</summary>
    public async Task AnswersAsync(ApiOperation operation, byte[] body)
    {
        using var request = Calls.Request(operation, Server.Token);
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        var status = (int)response.StatusCode;
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status < 500, $"{operation}: {status} {text} for {Encoding.UTF8.GetString(body)}");
        if (status >= 400)
        {
            AssertProblem(text, status);
        }
    }

    /// <summary>Asks with something in the place of the address's parameter, as it stands: a client would have tidied
    /// it.</summary>
    public async Task RefusesRawAsync(ApiOperation operation, string parameter)
    {
        var cancel = TestContext.Current.CancellationToken;
        var body = Calls.BodyOf(operation) ?? string.Empty;
        var request = string.Create(
            CultureInfo.InvariantCulture,
            $"{operation.Method} {Calls.PathOf(operation, parameter)} HTTP/1.1\r\nHost: {Server.Url.Authority}\r\n"
                + $"Authorization: Bearer {Server.Token}\r\nContent-Type: application/json\r\n"
                + $"Content-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}");
        using var client = new TcpClient();
        await client.ConnectAsync(Server.Url.Host, Server.Url.Port, cancel);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request), cancel);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var answer = await reader.ReadToEndAsync(cancel).WaitAsync(BerthHome.Patience, cancel);

        Assert.Matches("^HTTP/1.1 40[045] ", $"{answer} ({operation} {parameter})");
        Assert.DoesNotContain("root:", answer, StringComparison.Ordinal);

        // What is no HTTP at all the HTTP server itself refuses, without a word.
        if (!answer.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal)
            || answer.Contains("application/problem+json", StringComparison.Ordinal))
        {
            var start = answer.IndexOf('{', StringComparison.Ordinal);
            AssertProblem(answer[start..(answer.LastIndexOf('}') + 1)], int.Parse(answer.AsSpan(9, 3)));
        }
    }

    public void AssertNothingChanged() => Assert.Equal(before, ServerState.Of(Server));

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await Server.DisposeAsync();
    }

    private static async Task<AskedServer> FurnishAsync(ServerHome server, CancellationToken cancel)
    {
        var run = await server.SubmitAsync("text Done.", cancel);
        var id = run.GetProperty("id").GetString()!;
        await server.FinalAsync(id, cancel);
        var (made, why) = await server.AskAsync(
            HttpMethod.Post, "/api/v1/workflows", cancel, ApiCalls.WorkflowBody(ApiCalls.Workflow));
        Assert.True(made == HttpStatusCode.Created, why);
        return new AskedServer(server, id)
        {
            Viewer = await TokenAsync(server, "viewer", cancel),
            Operator = await TokenAsync(server, "operator", cancel),
            before = ServerState.Of(server),
        };
    }

    private static string AssertProblem(string text, int status)
    {
        using var problem = JsonDocument.Parse(text);
        var code = problem.RootElement.GetProperty("code").GetString()!;
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Equal($"urn:berth:problem:{code}", problem.RootElement.GetProperty("type").GetString());
        Assert.Contains($"`{code}`", Codes, StringComparison.Ordinal);
        return code;
    }

    private static async Task<string> TokenAsync(ServerHome server, string role, CancellationToken cancel)
    {
        var made = await server.Home.BerthAsync(
            cancel, "token", "create", "--name", $"a-{role}", "--role", role, "--json");
        return made.Json.GetProperty("token").GetString()!;
    }

    private string NextAddress()
    {
        asked++;
        return string.Create(CultureInfo.InvariantCulture, $"198.51.{asked / 250}.{(asked % 250) + 1}");
    }
}
