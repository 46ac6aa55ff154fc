using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Server.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Api;

/// <summary>The run that a request is about, and who is to answer for it.</summary>
internal sealed class RunAccess(BerthEngine engine, Forwarding forwarding, RunOwners owners)
{
    /// <summary>The address of one run.</summary>
    public const string OneRun = "/runs/{id}";

    /// <summary>What only the home of the run has is asked of that one's server.</summary>
    public RequestDelegate InItsHome(RequestDelegate answer) => InItsHome(answer, RunOf);

    /// <summary>The same for deciding on a run's tool calls, and for looking at them.</summary>
    public RequestDelegate ForDecision(RequestDelegate answer) => InItsHome(answer, RunToDecideOn);

    private RequestDelegate InItsHome(RequestDelegate answer, Func<HttpContext, RunView> find) => async context =>
    {
        var run = find(context);
        if (context.Request.Query["follow"] is ["true"])
        {
            run = await forwarding.TakenAsync(run, context.RequestAborted);
        }

        if (!await forwarding.AnswerAsync(context, run))
        {
            await answer(context);
        }
    };

    /// <summary>The same for what a run said or changed, which is redacted once more on its way out.</summary>
    public RequestDelegate Shown(RequestDelegate answer) => InItsHome(context => RedactedAsync(context, answer));

    /// <summary>Answers so that nothing known as a secret goes out.</summary>
    public async Task RedactedAsync(HttpContext context, RequestDelegate answer)
    {
        var run = RunOf(context);
        var body = context.Response.Body;
        await using var redacted = new RedactedStream(body, engine.Shown.RedactorOf(run.Id, run.Workflow));
        context.Response.Body = redacted;
        try
        {
            // What fails before its first byte is answered in words by who catches it, and those are no answer of this.
            await answer(context);
            await redacted.FlushAsync(context.RequestAborted);
        }
        finally
        {
            context.Response.Body = body;
        }
    }

    /// <summary>Whose runs a caller sees.</summary>
    public RunOwners Owners => owners;

    /// <summary>The run of the address: one that the caller sees, by its whole id; where nothing is changed, by a part
    /// of it too that names no other.</summary>
    public RunView RunOf(HttpContext context)
    {
        var run = owners.Find(context, (string)context.GetRouteValue("id")!);
        Leaving.About(context, run);
        return run;
    }

    /// <summary>The run of the address, for a decision on its tool calls.</summary>
    public RunView RunToDecideOn(HttpContext context)
    {
        var run = owners.FindForDecision(context, (string)context.GetRouteValue("id")!);
        Leaving.About(context, run);
        return run;
    }

    /// <summary>Notes what the caller did to a run.</summary>
    public void Note(HttpContext context, string action, string id) => engine.Audit.Add(
        Gatekeeper.CallerOf(context), action, id, Addresses.Of(context));
}
