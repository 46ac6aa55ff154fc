using System.Net.Mime;
using System.Text;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Access;
using Berth.Server.Dispatch;
using Berth.Server.Logs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Api;

/// <summary>Runs: make them, look at them, stop them, clean up after them.</summary>
internal sealed class RunEndpoints(
    BerthEngine engine, BerthOptions options, Dispatcher dispatcher, EventStream events, RunAccess access,
    CancellationToken stop)
{
    private const string OneRun = RunAccess.OneRun;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/runs", CreateAsync).WithMetadata(new NeedsRole(Role.Operator));
        routes.MapGet("/runs", ListAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(OneRun, ShowAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapDelete(OneRun, InItsHome(CleanUpAsync)).WithMetadata(new NeedsRole(Role.Operator));
        routes.MapPost(OneRun + "/cancel", CancelAsync).WithMetadata(new NeedsRole(Role.Operator));
        routes.MapPost(OneRun + "/deliver", InItsHome(DeliverAsync)).WithMetadata(new NeedsRole(Role.Operator));
        routes.MapGet(OneRun + "/diff", access.Shown(DiffAsync)).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(OneRun + "/patch", access.Shown(PatchAsync)).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(OneRun + "/artifacts", InItsHome(ListArtefactsAsync)).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet($"{OneRun}/artifacts/{{*{ArtefactAnswers.Parameter}}}", InItsHome(ArtefactAsync))
            .WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(OneRun + "/log", access.Shown(LogAsync)).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(OneRun + "/events", access.Shown(EventsAsync)).WithMetadata(new NeedsRole(Role.Viewer));
    }

    private RequestDelegate InItsHome(RequestDelegate answer) => access.InItsHome(answer);

    private async Task CreateAsync(HttpContext context)
    {
        Capacity.Check(options);
        using var body = await RequestBody.ReadAsync(context.Request);
        var request = RunOrders.Read(
            body, Gatekeeper.CallerOf(context), options, earlier => engine.Resolve(earlier).Repository);
        var accepted = await dispatcher.AcceptAsync(request, context.RequestAborted);
        RequestLog.About(context, accepted.Run.Id);
        if (accepted.IsNew)
        {
            Note(context, "run.create", accepted.Run.Id);
        }

        context.Response.StatusCode = StatusCodes.Status202Accepted;
        context.Response.Headers.Location = $"/api/v1/runs/{accepted.Run.Id}";
        await Answer.JsonAsync(context, accepted.Run, RunJson.Plain.RunView);
    }

    private Task ListAsync(HttpContext context)
    {
        var filter = RunFilters.Read(context.Request.Query);

        // One more than asked for tells whether there is another page.
        var found = engine.List(filter with { Limit = filter.Limit + 1 });
        var page = found.Take(filter.Limit).ToList();
        var next = found.Count > page.Count ? page[^1].Id : null;
        return Answer.JsonAsync(context, new RunPage(page, next), RunJson.Plain.RunPage);
    }

    private Task ShowAsync(HttpContext context) =>
        Answer.JsonAsync(context, RunOf(context), RunJson.Plain.RunView);

    private async Task CancelAsync(HttpContext context)
    {
        var run = RunOf(context);
        var force = context.Request.Query["force"] is ["true"];
        if (!run.State.IsFinal())
        {
            await engine.RequestCancelAsync(run.Id, force, context.RequestAborted);
            Note(context, force ? "run.kill" : "run.cancel", run.Id);
            dispatcher.Wake();
        }

        await Answer.JsonAsync(context, engine.Find(run.Id)!, RunJson.Plain.RunView);
    }

    private async Task DeliverAsync(HttpContext context)
    {
        var run = RunOf(context);
        var allowSecrets = context.Request.Query["allowSecrets"] is ["true"];
        if (allowSecrets)
        {
            Gatekeeper.Demand(context, Role.Admin);
        }

        Note(context, allowSecrets ? "run.deliver_with_secrets" : "run.deliver", run.Id);
        var delivered = await engine.DeliverAsync(run.Id, allowSecrets, context.RequestAborted);
        await Answer.JsonAsync(context, delivered, RunJson.Plain.RunView);
    }

    private async Task CleanUpAsync(HttpContext context)
    {
        var run = RunOf(context);
        var isDry = context.Request.Query["dryRun"] is ["true"];
        var report = await engine.CleanUpAsync(new CleanupSelection(run.Id), isDry, context.RequestAborted);
        if (!isDry)
        {
            Note(context, "run.cleanup", run.Id);
        }

        await Answer.JsonAsync(context, report, ApiJson.Readable.CleanupReport);
    }

    private async Task DiffAsync(HttpContext context)
    {
        var run = ShownOf(context);
        var stat = context.Request.Query["stat"] is ["true"];
        var file = context.Request.Query["file"] is [{ Length: > 0 } named] ? named : null;
        if (file is not null && !IsInside(file))
        {
            throw new FailureException("not_found", "No repository has a file of that name.", string.Empty, Fault.User);
        }

        var order = new DiffOrder(stat ? DiffForm.Stat : DiffForm.Patch, file);
        var asJson = context.Request.Headers.Accept.Any(
            value => value?.Contains(MediaTypeNames.Application.Json, StringComparison.OrdinalIgnoreCase) == true);
        if (!asJson)
        {
            await WriteAsync(context, run.Id, order);
            return;
        }

        using var diff = new MemoryStream();
        await engine.WriteDiffAsync(run.Id, order, diff, context.RequestAborted);
        var text = Encoding.UTF8.GetString(diff.GetBuffer(), 0, (int)diff.Length);
        var answer = new DiffAnswer(run.Id, run.Branch, run.BaseCommit, run.HeadCommit, run.FilesChanged, text);
        await Answer.JsonAsync(context, answer, ApiJson.Readable.DiffAnswer);
    }

    private Task PatchAsync(HttpContext context) =>
        WriteAsync(context, ShownOf(context).Id, new DiffOrder(DiffForm.Mails));

    // What is in git is not rewritten, and what was secret in it is known no more.
    private RunView ShownOf(HttpContext context)
    {
        var run = RunOf(context);
        if (run.SecretsInChanges.Count == 0)
        {
            return run;
        }

        if (context.Request.Query["allowSecrets"] is not ["true"])
        {
            throw new FailureException(
                "changes_hold_secrets",
                $"The changes of run {run.Id} hold a secret of the run: {string.Join(", ", run.SecretsInChanges)}.",
                "berth diff on the server's machine shows them, and an admin may ask with allowSecrets=true.",
                Fault.Agent);
        }

        Gatekeeper.Demand(context, Role.Admin);
        Note(context, "run.diff_with_secrets", run.Id);
        return run;
    }

    private Task ListArtefactsAsync(HttpContext context) =>
        ArtefactAnswers.ListAsync(engine, context, RunOf(context));

    // The others were redacted when they were taken over, and can be had in parts.
    private Task ArtefactAsync(HttpContext context) =>
        context.GetRouteValue(ArtefactAnswers.Parameter) is ArtefactName.Patch
        ? access.RedactedAsync(context, each => ArtefactAnswers.WriteAsync(engine, each, ShownOf(each)))
        : ArtefactAnswers.WriteAsync(engine, context, RunOf(context));

    private async Task LogAsync(HttpContext context)
    {
        var run = RunOf(context);
        var follow = context.Request.Query["follow"] is ["true"];
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stop);
        context.Response.ContentType = EventStream.Lines;
        await engine.WriteRawLogAsync(run.Id, follow, context.Response.Body, either.Token);
    }

    private Task EventsAsync(HttpContext context) => events.WriteAsync(context, RunOf(context), stop);

    // What a file holds is the agent's: as plain text it is nothing that a browser would run.
    private async Task WriteAsync(HttpContext context, string id, DiffOrder order)
    {
        context.Response.ContentType = "text/plain; charset=utf-8";
        await engine.WriteDiffAsync(id, order, context.Response.Body, context.RequestAborted);
    }

    private RunView RunOf(HttpContext context) => access.RunOf(context);

    private void Note(HttpContext context, string action, string id) => access.Note(context, action, id);

    private static bool IsInside(string file) =>
        !file.Contains('\0', StringComparison.Ordinal)
        && !Array.Exists(file.Split('/'), part => part is "" or "." or "..");
}
