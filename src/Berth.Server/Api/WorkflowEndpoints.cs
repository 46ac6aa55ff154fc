using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Server.Access;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Api;

/// <summary>Workflows: look at them, and write those of the server's home.</summary>
/// <remarks>Runs have read what they need of theirs when they were accepted; nothing here reaches them.</remarks>
internal sealed class WorkflowEndpoints(BerthEngine engine)
{
    private const string All = "/workflows";
    private const string One = All + "/{name}";

    /// <summary>What a request may have; docs/openapi.json says what each is.</summary>
    internal static readonly string[] Fields = ["name", "prompt", "allowedTools", "mcp", "settings", "env"];

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet(All, ListAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapPost(All, CreateAsync).WithMetadata(new NeedsRole(Role.Admin));
        routes.MapGet(One, ShowAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapPut(One, ReplaceAsync).WithMetadata(new NeedsRole(Role.Admin));
        routes.MapDelete(One, RemoveAsync).WithMetadata(new NeedsRole(Role.Admin));
    }

    private Task ListAsync(HttpContext context) => Answer.JsonAsync(
        context, engine.Workflows.List(), ApiJson.Readable.IReadOnlyListWorkflowListing);

    private async Task CreateAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var (name, files) = (body.Required("name"), Read(body));
        engine.OwnWorkflows.Create(name, files);
        Note(context, "workflow.create", name);
        context.Response.StatusCode = StatusCodes.Status201Created;
        context.Response.Headers.Location = $"/api/v1/workflows/{name}";
        await ShowAsync(context, name);
    }

    private Task ShowAsync(HttpContext context) => ShowAsync(context, NameOf(context));

    private async Task ReplaceAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        var (name, files) = (NameOf(context), Read(body));
        if (body.Text("name") is { } said && !string.Equals(said, name, StringComparison.Ordinal))
        {
            throw new FailureException(
                "request_invalid",
                "The field name is not the name in the address.",
                "A workflow gets another name by making one and removing the other.",
                Fault.User);
        }

        Found(() => engine.OwnWorkflows.Replace(name, files));
        Note(context, "workflow.replace", name);
        await ShowAsync(context, name);
    }

    private Task RemoveAsync(HttpContext context)
    {
        var name = NameOf(context);
        Found(() => engine.OwnWorkflows.Remove(name));
        Note(context, "workflow.remove", name);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private static WorkflowFiles Read(RequestBody body)
    {
        body.RefuseOthers(Fields);
        return new WorkflowFiles(
            body.Required("prompt"),
            body.Json("allowedTools", JsonValueKind.Array) ?? throw RequestBody.Missing("allowedTools"),
            body.Json("mcp", JsonValueKind.Object),
            body.Json("settings", JsonValueKind.Object),
            body.Has("env") ? body.Texts("env") : null);
    }

    private Task ShowAsync(HttpContext context, string name)
    {
        var listing = Found(() => engine.Workflows.Find(name));
        var details = new WorkflowDetails(
            listing.Name, listing.Folder, listing.Description, listing.Problem, listing.Shadows,
            engine.OwnWorkflows.Holds(listing.Folder));
        if (listing.Problem is null)
        {
            var workflow = Found(() => engine.Workflows.Load(name));
            details = details with
            {
                Prompt = workflow.SystemPrompt,
                AllowedTools = workflow.AllowedTools,
                Settings = Parsed(workflow.SettingsJson),
                EnvNames = [.. workflow.Environment.Keys],

                // Its headers may hold keys.
                Mcp = Gatekeeper.CallerOf(context).Role == Role.Admin ? Parsed(workflow.McpConfigJson) : null,
            };
        }

        return Answer.JsonAsync(context, details, ApiJson.Readable.WorkflowDetails);
    }

    private static JsonElement? Parsed(string? text)
    {
        using var document = text is null ? null : JsonDocument.Parse(text);
        return document?.RootElement.Clone();
    }

    private static string NameOf(HttpContext context) => (string)context.GetRouteValue("name")!;

    private static void Found(Action act) => Found<object?>(() =>
    {
        act();
        return null;
    });

    // In the path it is an address that there is not; in a request for a run, a field that is not valid.
    private static T Found<T>(Func<T> find)
    {
        try
        {
            return find();
        }
        catch (FailureException failed) when (failed.Failure.Code is "workflow_not_found")
        {
            throw new FailureException(failed.Failure with { Code = "not_found" });
        }
    }

    private void Note(HttpContext context, string action, string name) => engine.Audit.Add(
        Gatekeeper.CallerOf(context), action, name, Addresses.Of(context));
}

/// <summary>A workflow with what its files hold; where it is not valid, only why.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Folder">Its folder on the server's machine.</param>
/// <param name="Description">The first line of its prompt.</param>
/// <param name="Problem">Why it is not valid, or null.</param>
/// <param name="Shadows">The folders that it takes the place of.</param>
/// <param name="IsWritable">Whether the API may replace and remove it.</param>
internal sealed record WorkflowDetails(
    string Name, string Folder, string Description, Failure? Problem, IReadOnlyList<string> Shadows, bool IsWritable)
{
    public string? Prompt { get; init; }

    public IReadOnlyList<string>? AllowedTools { get; init; }

    /// <summary>For admins.</summary>
    public JsonElement? Mcp { get; init; }

    public JsonElement? Settings { get; init; }

    /// <summary>Never the values.</summary>
    public IReadOnlyList<string> EnvNames { get; init; } = [];
}
