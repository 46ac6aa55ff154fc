using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Berth.SystemTests.EndToEnd;
using Berth.Tests.Server;

namespace Berth.SystemTests.Server;

/// <summary>Calls of each operation of docs/openapi.json, with what it needs to do its work.</summary>
/// <param name="server">The server.</param>
/// <param name="run">A run that has ended.</param>
internal sealed class ApiCalls(ServerHome server, string run)
{
    /// <summary>The document of this clone.</summary>
    public static ApiDocument Document { get; } = new(File.ReadAllText(
        Path.Combine(SystemTestEnvironment.RepositoryRoot, "docs", "openapi.json")));

    /// <summary>A workflow of the server's home, which these calls are about.</summary>
    public const string Workflow = "greet";

    /// <summary>A run at work whose first tool call waits for a decision; the one that has ended where there is
    /// none.</summary>
    public string? Talking { get; init; }

    /// <summary>The address of an operation, with something in the place of its parameters.</summary>
    public string PathOf(ApiOperation operation, string? parameter = null) => operation.Path
        .Replace("{id}", parameter ?? (IsTalk(operation) ? Talking : null) ?? run, StringComparison.Ordinal)
        .Replace("{call}", parameter ?? "1", StringComparison.Ordinal)
        .Replace("{artifact}", parameter ?? "transcript.ndjson", StringComparison.Ordinal)
        .Replace("{name}", parameter ?? Workflow, StringComparison.Ordinal)
        .Replace("{workflow}", parameter ?? "implement", StringComparison.Ordinal)
        .Replace("{file}", parameter ?? "swagger-ui.css", StringComparison.Ordinal);

    /// <summary>A good body for an operation, or null where it takes none.</summary>
    public string? BodyOf(ApiOperation operation)
    {
        if (!operation.TakesBody)
        {
            return null;
        }

        var message = BerthHome.Prompt("text Done.");
        return operation.Id switch
        {
            "createRun" => server.Body("text Done."),
            "agentRun" => JsonSerializer.Serialize(new { message, repository_url = server.Home.Repository }),
            "createWorkflow" => WorkflowBody($"another-{Guid.NewGuid():N}"),
            "replaceWorkflow" => WorkflowBody(name: null),
            "sendMessage" => JsonSerializer.Serialize(new { message, priority = "later" }),
            "decideCall" => JsonSerializer.Serialize(new { decision = "deny", reason = "Not now." }),
            _ => throw new InvalidOperationException($"What does {operation} take?"),
        };
    }

    private static bool IsTalk(ApiOperation operation) =>
        operation.Id is "sendMessage" or "interruptRun" or "listApprovals" or "decideCall";

    /// <summary>What makes a workflow.</summary>
    public static string WorkflowBody(string? name)
    {
        var fields = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["prompt"] = "# Greets\n\nSay hello.\n",
            ["allowedTools"] = new[] { "Read" },
            ["settings"] = new { maxTurns = 3 },
            ["mcp"] = new { mcpServers = new { files = new { command = "/bin/files" } } },
            ["env"] = new { GREETING = "a-secret-value" },
        };
        if (name is not null)
        {
            fields["name"] = name;
        }

        return JsonSerializer.Serialize(fields);
    }

    /// <summary>A request of an operation.</summary>
    public HttpRequestMessage Request(ApiOperation operation, string token)
    {
        var request = server.Request(new HttpMethod(operation.Method), PathOf(operation), token);
        if (BodyOf(operation) is { } text)
        {
            request.Content = new StringContent(text, Encoding.UTF8, "application/json");
        }

        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        return request;
    }
}
