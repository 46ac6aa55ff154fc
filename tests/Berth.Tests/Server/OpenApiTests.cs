using System.Text;
using System.Text.Json.Serialization.Metadata;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server;
using Berth.Server.Webhooks;
using Berth.Server.Access;
using Berth.Server.Api;
using Berth.Server.Compatibility;
using Berth.Tests.Commands;
using Berth.Tests.Tidy;
using Microsoft.AspNetCore.Routing;
using Microsoft.OpenApi;
using Xunit;

namespace Berth.Tests.Server;

/// <summary>docs/openapi.json is written by hand; this keeps it true.</summary>
public sealed class OpenApiTests
{
    private static readonly ApiDocument Document = new(SourceTree.Read("docs/openapi.json"));

    /// <summary>What each operation answers in JSON; null where it is the document itself.</summary>
    private static readonly Dictionary<string, JsonTypeInfo?> Answers = new(StringComparer.Ordinal)
    {
        ["document"] = null,
        ["health"] = ApiJson.Readable.ServerHealth,
        ["ready"] = ApiJson.Readable.ServerHealth,
        ["version"] = ApiJson.Readable.ServerVersion,
        ["budgets"] = ApiJson.Readable.BudgetReport,
        ["executors"] = ApiJson.Readable.IReadOnlyListExecutorProbe,
        ["listWorkflows"] = ApiJson.Readable.IReadOnlyListWorkflowListing,
        ["createWorkflow"] = ApiJson.Readable.WorkflowDetails,
        ["showWorkflow"] = ApiJson.Readable.WorkflowDetails,
        ["replaceWorkflow"] = ApiJson.Readable.WorkflowDetails,
        ["listRuns"] = RunJson.Plain.RunPage,
        ["createRun"] = RunJson.Plain.RunView,
        ["showRun"] = RunJson.Plain.RunView,
        ["cancelRun"] = RunJson.Plain.RunView,
        ["deliverRun"] = RunJson.Plain.RunView,
        ["sendMessage"] = ApiJson.Readable.MessageReceipt,
        ["interruptRun"] = ApiJson.Readable.InterruptReceipt,
        ["listApprovals"] = ApiJson.Readable.IReadOnlyListWaitingCall,
        ["decideCall"] = ApiJson.Readable.ApprovalReceipt,
        ["cleanUpRun"] = ApiJson.Readable.CleanupReport,
        ["listArtifacts"] = ApiJson.Readable.IReadOnlyListArtefact,
        ["showDiff"] = ApiJson.Readable.DiffAnswer,
        ["agentRun"] = AgentJson.Readable.AgentRunAnswer,
        ["agentStatus"] = AgentJson.Readable.AgentRunStatus,
        ["agentWorkflows"] = AgentJson.Readable.IReadOnlyListAgentWorkflow,
        ["agentHealth"] = AgentJson.Readable.AgentHealth,
    };

    [Fact]
    public async Task The_document_and_the_server_have_the_same_addresses_with_the_same_roles()
    {
        using var trial = new TrialSurroundings();
        var options = Settings.Bind(trial.Given);
        var server = new BerthServer(
            BerthEngine.Open(options, TimeProvider.System), options, new ServerStart(false, false, _ => { }),
            TimeProvider.System);
        await using var application = server.Build(
            WebhookKeys.Read(options.Server.Webhooks), CancellationToken.None, out var dispatcher);
        await using var idle = dispatcher;

        var routes =
            from endpoint in ((IEndpointRouteBuilder)application).DataSources.SelectMany(source => source.Endpoints)
            from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods
            let role = endpoint.Metadata.GetMetadata<NeedsRole>()?.Role.ToString().ToLowerInvariant()

            // A parameter that takes slashes is one like any other to the document.
            let path = ((RouteEndpoint)endpoint).RoutePattern.RawText!.Replace("{*", "{", StringComparison.Ordinal)
            select $"{method} {path} {role}";

        Assert.Equal(
            Document.Operations.Select(each => $"{each} {each.Role}").Order(StringComparer.Ordinal),
            routes.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Each_operation_without_a_role_says_that_it_takes_no_token() => Assert.All(
        Document.Operations,
        each => Assert.Equal(each.Role is null, each.Definition.TryGetProperty("security", out _)));

    [Fact]
    public void The_fields_of_requests_are_those_that_are_read()
    {
        Assert.Equal(RunOrders.Fields.Order(StringComparer.Ordinal), Properties("RunOrder"));
        Assert.Equal(WorkflowEndpoints.Fields.Order(StringComparer.Ordinal), Properties("WorkflowOrder"));
        Assert.Equal(TalkEndpoints.MessageFields.Order(StringComparer.Ordinal), Properties("Message"));
        Assert.Equal(TalkEndpoints.DecisionFields.Order(StringComparer.Ordinal), Properties("Decision"));
        Assert.Equal(WorkflowEndpoints.Fields.Order(StringComparer.Ordinal), Properties("WorkflowReplacement"));
        Assert.Equal(
            RunFilters.Names,
            Document.Operations.Single(each => each.Id is "listRuns").Definition.GetProperty("parameters")
                .EnumerateArray().Select(each => each.GetProperty("name").GetString()));
    }

    [Fact]
    public void The_schemas_of_answers_are_those_of_the_types_that_are_written()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var wrong = new List<string>();
        foreach (var operation in Document.Operations.Where(each => each.Answer is not null))
        {
            Assert.True(Answers.ContainsKey(operation.Id), $"what does {operation.Id} answer?");
            if (Answers[operation.Id] is { } type)
            {
                wrong.AddRange(new SchemaComparison(Document, seen).Of(operation.Answer!.Value, type));
            }
        }

        wrong.AddRange(new SchemaComparison(Document, seen).Of(
            Document.Schemas.GetProperty("Problem"), ApiJson.Readable.ProblemDocument));
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));

        // Beside them there are those of requests, of the journal's lines, and the one of problems.
        var others = Document.Schemas.EnumerateObject().Select(each => each.Name).Where(name => !seen.Contains(name));
        Assert.Equal(
            [
                "AgentRunOrder", "Decision", "Event", "Message", "Problem", "RunOrder", "WorkflowOrder",
                "WorkflowReplacement",
            ],
            others.Order(StringComparer.Ordinal));
        Assert.Equal(
            ProtocolJson.Default.JournalEntry.Properties.Select(each => each.Name).Order(StringComparer.Ordinal),
            Properties("Event"));
    }

    // openapi-typescript takes a field with a default for one that is always there.
    [Fact]
    public void F62_No_optional_field_of_a_request_has_a_default() => Assert.Empty(
        from schema in Document.Schemas.EnumerateObject()
        where schema.Value.TryGetProperty("properties", out _)
        from property in schema.Value.GetProperty("properties").EnumerateObject()
        where property.Value.TryGetProperty("default", out _)
        select $"{schema.Name}.{property.Name}");

    [Fact]
    public void A_schema_that_differs_from_its_type_is_found()
    {
        var changed = SourceTree.Read("docs/openapi.json")
            .Replace("\"claudeVersion\": {", "\"claudesVersion\": {", StringComparison.Ordinal)
            .Replace("\"timed_out\"", "\"late\"", StringComparison.Ordinal);
        var other = new ApiDocument(changed);

        Assert.NotEmpty(new SchemaComparison(other, []).Of(
            other.Schemas.GetProperty("Version"), ApiJson.Readable.ServerVersion));
        Assert.Equal(
            ["RunView.state: expected the words of RunState"],
            new SchemaComparison(other, []).Of(other.Schemas.GetProperty("Run"), RunJson.Plain.RunView));
    }

    [Fact]
    public async Task A_reader_of_such_documents_finds_nothing_wrong_in_it()
    {
        using var text = new MemoryStream(Encoding.UTF8.GetBytes(SourceTree.Read("docs/openapi.json")));
        var read = await OpenApiDocument.LoadAsync(
            text, OpenApiConstants.Json, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Empty(read.Diagnostic!.Errors);
        Assert.Empty(read.Diagnostic.Warnings);
        Assert.Equal(Document.Operations.Count, read.Document!.Paths.Sum(path => path.Value.Operations!.Count));
    }

    [Fact]
    public void Its_version_is_the_program_s() => Assert.Equal(
        typeof(BerthEngine).Assembly.GetName().Version!.ToString(3),
        Document.Root.GetProperty("info").GetProperty("version").GetString());

    private static IEnumerable<string> Properties(string schema) =>
        Document.Schemas.GetProperty(schema).GetProperty("properties").EnumerateObject()
            .Select(each => each.Name).Order(StringComparer.Ordinal);
}
