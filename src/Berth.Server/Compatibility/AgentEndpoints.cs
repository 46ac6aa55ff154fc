using System.Text;
using Berth.Engine;
using Berth.Engine.Access;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Server.Access;
using Berth.Server.Api;
using Berth.Server.Dispatch;
using Berth.Server.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Berth.Server.Compatibility;

/// <summary>The API of the agent that Berth replaces, over the same runs: its callers change nothing.</summary>
/// <remarks>Names, ranges and defaults are that agent's, not ours; docs/MIGRATION.md has the table.</remarks>
internal sealed class AgentEndpoints(
    BerthEngine engine, BerthOptions options, Dispatcher dispatcher, RunAccess access, TimeProvider time)
{
    private const string Prefix = "/agent/claude-code";
    private const int MostTurns = 100;
    private const int UsualTurns = 30;
    private const int LeastTimeout = 60;
    private const int MostTimeout = 14_400;
    private const int UsualTimeout = 7200;
    private const int LogBytes = 64 * 1024;

    /// <summary>Adds them.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost(Prefix + "/{workflow}/run", RunAsync).WithMetadata(new NeedsRole(Role.Operator));
        routes.MapGet(Prefix + "/run/{id}/status", access.InItsHome(StatusAsync))
            .WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(Prefix + "/workflows", WorkflowsAsync).WithMetadata(new NeedsRole(Role.Viewer));
        routes.MapGet(Prefix + "/health", HealthAsync).WithMetadata(new NeedsRole(Role.Viewer));
    }

    private async Task RunAsync(HttpContext context)
    {
        Capacity.Check(options);
        var workflow = (string)context.GetRouteValue("workflow")!;
        Check(workflow);
        using var body = await RequestBody.ReadAsync(context.Request);
        var caller = Gatekeeper.CallerOf(context);
        var request = RunOrders.Permitted(
            Read(context, body, workflow), caller, options);
        request = request with { Ticket = request.Ticket with { Trace = RunTrace.ParentOf(context) } };
        var run = (await dispatcher.AcceptAsync(request, context.RequestAborted)).Run;
        Leaving.About(context, run);
        engine.Audit.Add(caller, "run.create", run.Id, Addresses.Of(context));
        var answer = new AgentRunAnswer(
            run.Id, StatusOf(run.State), $"Run {run.Id} of {run.Workflow} was accepted.", run.SessionId,
            run.Workflow, run.CreatedAt);
        await Answer.JsonAsync(context, answer, AgentJson.Readable.AgentRunAnswer);
    }

    // The workflow is in the path: where there is none of the name, or none that is valid, nothing else in the request
    // is worth a word.
    private void Check(string workflow)
    {
        try
        {
            _ = engine.Workflows.Load(workflow);
        }
        catch (FailureException failed) when (failed.Failure.Code is "workflow_not_found" or "workflow_name_invalid")
        {
            var names = string.Join(", ", engine.Workflows.List().Select(each => each.Name));
            throw new FailureException(
                "not_found",
                $"There is no workflow of that name. There are: {(names.Length == 0 ? "none" : names)}.",
                "Choose one of them.",
                Fault.User,
                failed);
        }
    }

    private RunRequest Read(HttpContext context, RequestBody body, string workflow)
    {
        // A field that the agent did not know it passed over, and so must this.
        var earlier = body.Text("session_id") is { } session
            ? access.Owners.Seen(context, engine.FindBySession(session), RunLookup.NoSession)
            : null;
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in new[] { "user_id", "session_name" })
        {
            if (body.Text(name) is { } value)
            {
                labels[name] = value;
            }
        }

        var request = new RunRequest
        {
            Workflow = workflow,
            Message = body.Required("message"),
            Continue = earlier?.Id,
            Repository = body.Text("repository_url") ?? earlier?.Repository,
            CurrentDirectory = options.Home,
            Ref = body.Text("git_branch"),
            MaxTurns = body.Whole("max_turns", 1, MostTurns) ?? UsualTurns,
            Timeout = TimeSpan.FromSeconds(body.Whole("timeout", LeastTimeout, MostTimeout) ?? UsualTimeout),
            Ticket = new RunTicket(ViaServer: true, Gatekeeper.CallerOf(context).Name)
            {
                Labels = RunLabels.Checked(labels),
                QueueLimit = options.Server.QueueLimit,
            },
        };

        // Last: what is wrong in the request is said before what is missing at the server.
        return request with { Repository = request.Repository ?? RunOrders.DefaultRepository(options) };
    }

    private async Task StatusAsync(HttpContext context)
    {
        var run = access.RunOf(context);
        var hasEnded = run.State.IsFinal();
        var status = new AgentRunStatus
        {
            RunId = run.Id,
            Status = StatusOf(run.State),
            SessionId = run.SessionId,
            WorkflowName = run.Workflow,
            StartedAt = run.CreatedAt,
            UpdatedAt = run.FinishedAt ?? run.StartedAt,
            ContainerId = engine.ContainerOf(run.Id),
            ExecutionTime = run.DurationMs / 1000d,
            Result = run.Result,
            ExitCode = run.ExitCode,
            GitCommits = [.. run.Commits.Select(commit => commit.Sha)],
            Error = run.Error is { } error ? $"{RunWord.Of(run.State)}: {error.Message} ({error.Code})"
                : run.IsError ? RunWord.Of(run.State)
                : null,
            Logs = hasEnded ? await LogsAsync(run.Id, context.RequestAborted) : null,
        };
        await Answer.JsonAsync(context, status, AgentJson.Readable.AgentRunStatus);
    }

    private async Task<string> LogsAsync(string id, CancellationToken cancel)
    {
        using var tail = new TailStream(LogBytes);
        await engine.WriteRawLogAsync(id, follow: false, tail, cancel);
        return Encoding.UTF8.GetString(tail.Kept());
    }

    private Task WorkflowsAsync(HttpContext context)
    {
        IReadOnlyList<AgentWorkflow> workflows =
        [
            .. engine.Workflows.List().Select(
                each => new AgentWorkflow(each.Name, each.Description, each.Folder, each.Valid)),
        ];
        return Answer.JsonAsync(context, workflows, AgentJson.Readable.IReadOnlyListAgentWorkflow);
    }

    private async Task HealthAsync(HttpContext context)
    {
        var probes = await engine.Places.ProbeAsync(context.RequestAborted);
        var isAvailable = probes.Any(probe => probe.Ok);
        var health = new AgentHealth(
            isAvailable ? "healthy" : "error",
            time.GetUtcNow(),
            isAvailable,
            engine.Workflows.List().ToDictionary(each => each.Name, each => each.Valid, StringComparer.Ordinal),
            probes.Any(probe => probe is { Mode: "docker", Ok: true }),
            FeatureEnabled: true);
        await Answer.JsonAsync(context, health, AgentJson.Readable.AgentHealth);
    }

    private static string StatusOf(RunState state) => state switch
    {
        RunState.Queued or RunState.Preparing => "pending",
        RunState.Running or RunState.Waiting or RunState.Stopping or RunState.Capturing => "running",
        RunState.Succeeded => "completed",
        _ => "failed",
    };
}
