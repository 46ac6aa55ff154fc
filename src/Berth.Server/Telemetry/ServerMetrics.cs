using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Berth.Engine;
using Berth.Engine.Runs;

namespace Berth.Server.Telemetry;

/// <summary>The instruments of a server; docs/MONITORING.md has the same list.</summary>
internal sealed class ServerMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Berth";

    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 14_400],
    };

    private readonly BerthEngine engine;
    private readonly TimeProvider time;
    private readonly Meter meter = new(MeterName);
    private readonly Histogram<double> waited;
    private readonly Histogram<double> phaseTook;
    private readonly Histogram<double> runTook;
    private readonly GenAiMetrics genAi;
    private readonly Counter<long> ended;
    private readonly Counter<long> tokens;
    private readonly Counter<double> cost;
    private readonly Counter<long> leaks;
    private readonly Counter<long> modelCalls;
    private readonly Counter<long> modelRefusals;

    public ServerMetrics(BerthEngine engine, TimeProvider time)
    {
        (this.engine, this.time) = (engine, time);
        meter.CreateObservableGauge("berth.queue.depth", Depth, "{run}", "Runs that wait for a place.");
        meter.CreateObservableGauge("berth.queue.oldest", OldestWaits, "s", "How long the oldest of them has waited.");
        meter.CreateObservableGauge("berth.runs.open", AtWork, "{run}", "Runs at work, by state.");
        meter.CreateObservableGauge(
            "berth.event.readers", () => engine.JournalReaders, "{reader}", "Who reads events at this moment.");
        meter.CreateObservableGauge(
            "berth.webhooks.waiting", WebhooksWaiting, "{message}", "Messages that no receiver has taken yet.");
        waited = meter.CreateHistogram("berth.queue.wait", "s", "How long a run waited.", null, Seconds);
        phaseTook = meter.CreateHistogram("berth.phase.duration", "s", "How long a phase took.", null, Seconds);
        runTook = meter.CreateHistogram("berth.run.duration", "s", "From creation to the outcome.", null, Seconds);
        genAi = new GenAiMetrics(meter);
        ended = meter.CreateCounter<long>("berth.runs.ended", "{run}", "Runs that ended.");
        tokens = meter.CreateCounter<long>("berth.tokens", "{token}", "Tokens, as the CLI counted them.");
        cost = meter.CreateCounter<double>("berth.cost", "USD", "What they cost, as the CLI reckons it.");
        leaks = meter.CreateCounter<long>("berth.leaks", "{leak}", "What clean-up could not remove.");
        modelCalls = meter.CreateCounter<long>("berth.gateway.requests", "{request}", "Calls that the model answered.");
        modelRefusals = meter.CreateCounter<long>("berth.gateway.refusals", "{request}", "Calls that it refused.");
    }

    /// <summary>The tokens of an outcome by their kind.</summary>
    public static IReadOnlyList<(string Kind, long Count)> TokensOf(RunOutcome outcome) =>
    [
        ("input", outcome.Tokens.Input), ("output", outcome.Tokens.Output),
        ("cache_read", outcome.Tokens.CacheRead), ("cache_creation", outcome.Tokens.CacheCreation),
    ];

    /// <summary>Counts a run that has ended.</summary>
    public void Ended(RunRecord run, IReadOnlyList<PhaseSpan> phases)
    {
        var kind = new TagList { { "berth.workflow", run.Plan.Workflow }, { "berth.mode", run.Plan.Mode } };
        var outcome = new TagList([.. kind, new("berth.state", RunWord.Of(run.State))]);
        if (run.Outcome?.Error is { } error)
        {
            outcome.Add("error.type", error.Code);
        }

        ended.Add(1, outcome);
        runTook.Record(((run.FinishedAt ?? run.CreatedAt) - run.CreatedAt).TotalSeconds, outcome);
        foreach (var phase in phases)
        {
            if (phase.Name is PhaseSpan.Queue)
            {
                waited.Record(phase.Took.TotalSeconds, kind);
            }
            else
            {
                phaseTook.Record(phase.Took.TotalSeconds, new TagList([.. kind, new("berth.phase", phase.Name)]));
            }
        }

        leaks.Add(run.Progress.Leaked.Count, kind);
        modelCalls.Add(run.Progress.Gateway.Requests, kind);
        modelRefusals.Add(run.Progress.Gateway.Refusals, kind);
        genAi.Ended(run);
        if (run.Outcome is { } result)
        {
            cost.Add(Convert.ToDouble(result.CostUsd, CultureInfo.InvariantCulture), kind);
            foreach (var (of, count) in TokensOf(result))
            {
                tokens.Add(count, new TagList([.. kind, new("berth.token.kind", of)]));
            }
        }
    }

    public void Dispose() => meter.Dispose();

    private int Depth() => Waiting()?.Count ?? 0;

    private int WebhooksWaiting() => engine.Webhooks.CountWaiting().Values.Sum();

    private double OldestWaits() => Waiting() is { } waiting ? (time.GetUtcNow() - waiting.Oldest).TotalSeconds : 0;

    private OpenRuns? Waiting() => engine.Counts.CountOpen().FirstOrDefault(runs => runs.State is "queued");

    private IEnumerable<Measurement<int>> AtWork() =>
        from runs in engine.Counts.CountOpen()
        where runs.State is not "queued"
        select new Measurement<int>(runs.Count, new KeyValuePair<string, object?>("berth.state", runs.State));
}
