using System.Globalization;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Protocol;
using Berth.Server.Access;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Api;

/// <summary>Talking to a run at work: messages, interrupts, and decisions on its tool calls.</summary>
internal sealed class TalkEndpoints(BerthEngine engine, RunAccess access)
{
    /// <summary>What a message may have; docs/openapi.json says what each is.</summary>
    internal static readonly string[] MessageFields = ["message", "priority", "id"];

    /// <summary>What a decision may have.</summary>
    internal static readonly string[] DecisionFields = ["decision", "reason"];

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(RunAccess.OneRun + "/messages", access.InItsHome(SendAsync))
            .WithMetadata(new NeedsRole(Role.Operator));
        routes.MapPost(RunAccess.OneRun + "/interrupt", access.InItsHome(InterruptAsync))
            .WithMetadata(new NeedsRole(Role.Operator));
        routes.MapGet(RunAccess.OneRun + "/approvals", ListAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapPost(RunAccess.OneRun + "/approvals/{call}", access.ForDecision(DecideAsync))
            .WithMetadata(new NeedsRole(Role.Operator));
    }

    private async Task SendAsync(HttpContext context)
    {
        using var body = await RequestBody.ReadAsync(context.Request);
        body.RefuseOthers(MessageFields);
        var priority = body.Text("priority") switch
        {
            null or "next" => MessagePriority.Next,
            "now" => MessagePriority.Now,
            "later" => MessagePriority.Later,
            _ => throw Invalid("The field priority is not valid: expected now, next or later."),
        };
        var message = new RunMessage(body.Required("message"), priority, body.Text("id"));
        var receipt = await engine.Talk.SendAsync(
            access.RunOf(context).Id, message, Gatekeeper.CallerOf(context), Addresses.Of(context),
            context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        await Answer.JsonAsync(context, receipt, ApiJson.Readable.MessageReceipt);
    }

    private async Task InterruptAsync(HttpContext context)
    {
        var receipt = await engine.Talk.InterruptAsync(
            access.RunOf(context).Id, Gatekeeper.CallerOf(context), Addresses.Of(context), context.RequestAborted);
        await Answer.JsonAsync(context, receipt, ApiJson.Readable.InterruptReceipt);
    }

    private Task ListAsync(HttpContext context) => Answer.JsonAsync(
        context, access.RunToDecideOn(context).Approvals, ApiJson.Readable.IReadOnlyListWaitingCall);

    private async Task DecideAsync(HttpContext context)
    {
        var named = (string)context.GetRouteValue("call")!;
        if (!int.TryParse(named, NumberStyles.None, CultureInfo.InvariantCulture, out var call))
        {
            throw new FailureException(
                "approval_not_found", "A call is named by its number.", "The run's approvals list it.", Fault.User);
        }

        using var body = await RequestBody.ReadAsync(context.Request);
        body.RefuseOthers(DecisionFields);
        var isAllowed = body.Required("decision") switch
        {
            "allow" => true,
            "deny" => false,
            _ => throw Invalid("The field decision is not valid: expected allow or deny."),
        };
        var receipt = await engine.Talk.DecideAsync(
            access.RunToDecideOn(context).Id, new ApprovalDecision(isAllowed, call, body.Text("reason")),
            Gatekeeper.CallerOf(context), Addresses.Of(context), context.RequestAborted);
        await Answer.JsonAsync(context, receipt, ApiJson.Readable.ApprovalReceipt);
    }

    private static FailureException Invalid(string message) => new(
        "request_invalid", message, "docs/API.md says what can be sent.", Fault.User);
}
