using System.Text.Json;
using System.Text.Json.Nodes;
using Berth.SystemTests.EndToEnd;
using Json.Schema;
using Xunit;

namespace Berth.SystemTests.Server;

/// <summary>What a real server answers is what docs/openapi.json says.</summary>
public sealed class ApiAnswerTests
{
    private static readonly string Schemas = Closed();

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_answer_is_as_the_document_says()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var run = await RunAsync(server);
        await server.AskAsync(HttpMethod.Post, "/api/v1/workflows", Soon, ApiCalls.WorkflowBody(ApiCalls.Workflow));
        var talking = await WaitingRunAsync(server);
        var calls = new ApiCalls(server, run) { Talking = talking };
        using var http = new HttpClient();

        // The run is removed, and the workflow, when all else has been asked.
        foreach (var operation in ApiCalls.Document.Operations.OrderBy(each => each.Method is "DELETE"))
        {
            using var request = calls.Request(operation, server.Token);
            using var response = await http.SendAsync(request, Soon);
            var text = await response.Content.ReadAsStringAsync(Soon);

            Assert.True(response.IsSuccessStatusCode, $"{operation}: {(int)response.StatusCode} {text}");
            Assert.True(operation.Names((int)response.StatusCode), $"{operation}: {response.StatusCode} is not named");
            if (operation.Answer is { } schema)
            {
                AssertValid(schema, text, operation.ToString());
            }

            if (operation.Id is "createRun" or "agentRun")
            {
                using var answer = JsonDocument.Parse(text);
                var made = answer.RootElement.GetProperty(operation.Id is "createRun" ? "id" : "run_id");
                await server.FinalAsync(made.GetString()!, Soon);
            }
        }

        await server.FinalAsync(talking, Soon);
    }

    [Fact]
    public async Task Each_event_and_each_problem_is_as_the_document_says()
    {
        await using var server = await ServerHome.StartAsync(Soon);
        var run = await RunAsync(server);

        var events = await server.EventsAsync(run, after: 0, Soon);
        var (_, problem) = await server.AskAsync(HttpMethod.Get, "/api/v1/runs/nosuch", Soon);
        using var document = new HttpClient();
        var served = await document.GetStringAsync(new Uri(server.Url, "/openapi.json"), Soon);

        Assert.True(events.Count > 5);
        Assert.All(events, each => AssertValid(Named("Event"), each.GetRawText(), "event"));
        AssertValid(Named("Problem"), problem, "problem");
        Assert.True(JsonElement.DeepEquals(ApiCalls.Document.Root, JsonDocument.Parse(served).RootElement));
    }

    [Fact]
    public void An_answer_that_is_not_as_the_document_says_is_found()
    {
        var health = Named("Health");

        AssertValid(health, """{"status":"ok"}""", "good");
        Assert.ThrowsAny<Exception>(() => AssertValid(health, """{"status":7}""", "bad"));
        Assert.ThrowsAny<Exception>(() => AssertValid(health, """{"status":"ok","more":1}""", "more"));
        Assert.ThrowsAny<Exception>(() => AssertValid(health, "{}", "less"));
    }

    // One that changes a file, and is denied a tool, so that lists have something in them.
    private static async Task<string> RunAsync(ServerHome server)
    {
        var remote = Path.Combine(server.Home.Folder, "shop.git");
        await BerthHome.GitInAsync(
            server.Home.Folder, Soon, "clone", "-q", "--bare", server.Home.Repository, remote);
        await server.Home.GitAsync(Soon, "remote", "add", "origin", remote);
        var run = await server.SubmitAsync(
            "bash echo hello > hello.txt\n---\ntext I wrote it.", Soon,
            new(StringComparer.Ordinal) { ["labels"] = new { team = "shop" }, ["keep"] = true, ["push"] = true });
        var id = run.GetProperty("id").GetString()!;
        var ended = await server.FinalAsync(id, Soon);
        Assert.Equal("succeeded", ended.GetProperty("state").GetString());
        return id;
    }

    // One that asks before each call: when the first is denied, the second waits until it is interrupted, and what was
    // said meanwhile is the end.
    private static async Task<string> WaitingRunAsync(ServerHome server)
    {
        var workflow = JsonSerializer.Serialize(new
        {
            name = "careful",
            prompt = "# Works with care\n",
            allowedTools = Array.Empty<string>(),
            settings = new { permissions = "ask" },
        });
        await server.AskAsync(HttpMethod.Post, "/api/v1/workflows", Soon, workflow);
        var run = await server.SubmitAsync(
            "bash echo one > one.txt\n---\nbash echo two > two.txt\n---\ntext Never.", Soon,
            new(StringComparer.Ordinal) { ["workflow"] = "careful" });
        var id = run.GetProperty("id").GetString()!;
        await Eventually.TrueAsync(
            async () => (await server.AskAsync(HttpMethod.Get, $"/api/v1/runs/{id}/approvals", Soon)).Body
                .Contains("one.txt", StringComparison.Ordinal),
            "the call that waits",
            BerthHome.Patience);
        return id;
    }

    private static JsonElement Named(string name) =>
        JsonDocument.Parse($$"""{"$ref": "#/components/schemas/{{name}}"}""").RootElement;

    private static void AssertValid(JsonElement schema, string text, string what)
    {
        var whole = JsonNode.Parse(Schemas)!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(Within(schema.GetRawText()))!.AsObject().ToList())
        {
            whole[name] = value?.DeepClone();
        }

        using var said = JsonDocument.Parse(text);
        var result = JsonSchema.FromText(whole.ToJsonString()).Evaluate(
            said.RootElement, new EvaluationOptions { OutputFormat = OutputFormat.List });
        var wrong = (result.Details ?? []).Where(each => each.Errors is { Count: > 0 })
            .Select(each => $"{each.InstanceLocation}: {string.Join("; ", each.Errors!.Values)}");
        Assert.True(result.IsValid, $"{what}: {string.Join('\n', wrong)}\n{text}");
    }

    // The document's schemas as definitions of one; and an object has what it says and nothing more.
    private static string Closed()
    {
        var definitions = JsonNode.Parse(Within(ApiCalls.Document.Schemas.GetRawText()))!.AsObject();
        foreach (var (_, schema) in definitions)
        {
            if (schema!["properties"] is not null)
            {
                schema["additionalProperties"] = false;
            }
        }

        return new JsonObject { ["$defs"] = definitions }.ToJsonString();
    }

    private static string Within(string text) =>
        text.Replace("#/components/schemas/", "#/$defs/", StringComparison.Ordinal);
}
