using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Runs;
using Microsoft.AspNetCore.Http;

namespace Berth.Server.Telemetry;

/// <summary>The trace of a run: a span from its creation to its end, and one in it for each phase.</summary>
internal sealed class RunTrace : IDisposable
{
    /// <summary>The source of the spans.</summary>
    public const string SourceName = "Berth";

    private const string RootName = "berth.run";
    private const int TraceIdBytes = 16;
    private const int LongestState = 512;

    [ThreadStatic]
    private static ActivityTraceId? next;

    private readonly ActivitySource source = new(SourceName);

    public RunTrace() => Activity.TraceIdGenerator = () => next ?? ActivityTraceId.CreateRandom();

    /// <summary>The trace that a request belongs to, as the run keeps it; null where it has no valid one.</summary>
    public static TraceParent? ParentOf(HttpContext context)
    {
        var (parent, state) = (
            context.Request.Headers.TraceParent.ToString(), context.Request.Headers.TraceState.ToString());
        state = state.Length is > 0 and <= LongestState ? state : null;
        return ActivityContext.TryParse(parent, state, out _) ? new TraceParent(parent, state) : null;
    }

    /// <summary>The id of a run's trace where its asker had none: whoever tells of the run, and however often, it is
    /// one trace.</summary>
    public static ActivityTraceId IdOf(string runId) => ActivityTraceId.CreateFromBytes(
        SHA256.HashData(Encoding.ASCII.GetBytes(runId)).AsSpan(0, TraceIdBytes));

    /// <summary>Tells of a run that has ended.</summary>
    public void Ended(RunRecord run, IReadOnlyList<PhaseSpan> phases)
    {
        using var root = Root(run);
        if (root is null)
        {
            return;
        }

        foreach (var phase in phases)
        {
            using var span = source.StartActivity(
                phase.Name, ActivityKind.Internal, root.Context, startTime: phase.From);
            span?.SetTag("berth.run.id", run.Id);
            span?.SetEndTime(phase.To.UtcDateTime);
        }

        Describe(root, run);
        var end = phases.Select(phase => phase.To).Append(run.FinishedAt ?? run.CreatedAt).Max();
        root.SetEndTime(end.UtcDateTime);
    }

    public void Dispose() => source.Dispose();

    // A root takes the trace's id from the generator only, and only where nothing is the current activity.
    private Activity? Root(RunRecord run)
    {
        Activity.Current = null;
        if (run.Plan.Ticket.Trace is { } asked
            && ActivityContext.TryParse(asked.Parent, asked.State, isRemote: true, out var parent))
        {
            return source.StartActivity(RootName, ActivityKind.Internal, parent, startTime: run.CreatedAt);
        }

        next = IdOf(run.Id);
        try
        {
            return source.StartActivity(
                RootName, ActivityKind.Internal, default(ActivityContext), startTime: run.CreatedAt);
        }
        finally
        {
            next = null;
        }
    }

    private static void Describe(Activity root, RunRecord run)
    {
        root.SetTag("berth.run.id", run.Id);
        root.SetTag("berth.workflow", run.Plan.Workflow);
        root.SetTag("berth.mode", run.Plan.Mode);
        root.SetTag("berth.state", RunWord.Of(run.State));
        root.SetTag("berth.adoptions", run.Progress.Adoptions);
        foreach (var (name, value) in GenAiMetrics.Of(run))
        {
            root.SetTag(name, value);
        }

        root.SetTag("gen_ai.agent.name", run.Plan.Workflow);
        root.SetTag("gen_ai.conversation.id", run.Plan.SessionId);
        if (run.Outcome is { } outcome)
        {
            var (input, output) = GenAiMetrics.UsageOf(outcome);
            root.SetTag("gen_ai.usage.input_tokens", input);
            root.SetTag("gen_ai.usage.output_tokens", output);
            root.SetTag("gen_ai.usage.cache_read.input_tokens", outcome.Tokens.CacheRead);
            root.SetTag("gen_ai.usage.cache_creation.input_tokens", outcome.Tokens.CacheCreation);
            root.SetTag("berth.turns", outcome.Turns);
            root.SetTag("berth.cost.usd", Convert.ToDouble(outcome.CostUsd, CultureInfo.InvariantCulture));
            foreach (var (kind, count) in ServerMetrics.TokensOf(outcome))
            {
                root.SetTag($"berth.tokens.{kind}", count);
            }
        }

        if (run.State != RunState.Succeeded)
        {
            var code = run.Outcome?.Error?.Code ?? RunWord.Of(run.State);
            root.SetTag("error.type", code);
            root.SetStatus(ActivityStatusCode.Error, code);
        }
    }
}
