using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Berth.Engine.Runs;

namespace Berth.Server.Telemetry;

/// <summary>The trace of a run: a span from its creation to its end, and one in it for each phase.</summary>
internal sealed class RunTrace : IDisposable
{
    /// <summary>The source of the spans.</summary>
    public const string SourceName = "Berth";

    private const string RootName = "berth.run";
    private const int TraceIdBytes = 16;

    [ThreadStatic]
    private static ActivityTraceId? next;

    private readonly ActivitySource source = new(SourceName);

    public RunTrace() => Activity.TraceIdGenerator = () => next ?? ActivityTraceId.CreateRandom();

    /// <summary>The id of a run's trace: whoever tells of the run, and however often, it is one trace.</summary>
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
        if (run.Outcome is { } outcome)
        {
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
