using System.Diagnostics;
using System.Diagnostics.Metrics;
using Berth.Engine.Runs;

namespace Berth.Server.Telemetry;

/// <summary>What a run used of the model, by the names of OpenTelemetry's conventions for generative AI.</summary>
/// <remarks>
/// opentelemetry.io/docs/specs/semconv/gen-ai: input counts all that was read, cached or not. The names beside
/// <c>berth.*</c> are for boards that know no Berth.
/// </remarks>
internal sealed class GenAiMetrics
{
    // The two that the conventions give.
    private static readonly InstrumentAdvice<long> Tokens = new()
    {
        HistogramBucketBoundaries =
        [
            1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
        ],
    };

    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries =
            [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
    };

    private readonly Histogram<long> usage;
    private readonly Histogram<double> duration;

    /// <summary>Adds them to a meter.</summary>
    public GenAiMetrics(Meter meter)
    {
        usage = meter.CreateHistogram(
            "gen_ai.client.token.usage", "{token}", "Tokens that a run read and wrote.", null, Tokens);
        duration = meter.CreateHistogram(
            "gen_ai.client.operation.duration", "s", "How long its agent worked.", null, Seconds);
    }

    /// <summary>What is said of each run: who was asked for what.</summary>
    public static IReadOnlyList<KeyValuePair<string, object?>> Of(RunRecord run)
    {
        List<KeyValuePair<string, object?>> tags =
        [
            new("gen_ai.operation.name", "invoke_agent"), new("gen_ai.provider.name", "anthropic"),
        ];
        if (run.Plan.Model is { } asked)
        {
            tags.Add(new("gen_ai.request.model", asked));
        }

        if (run.Outcome?.Model is { } answered)
        {
            tags.Add(new("gen_ai.response.model", answered));
        }

        return tags;
    }

    /// <summary>All that was read, cached or not, and what was written.</summary>
    public static (long Input, long Output) UsageOf(RunOutcome outcome) => (
        outcome.Tokens.Input + outcome.Tokens.CacheRead + outcome.Tokens.CacheCreation, outcome.Tokens.Output);

    /// <summary>Counts a run that has ended.</summary>
    public void Ended(RunRecord run)
    {
        var tags = Of(run);
        if (run.Outcome is { } outcome)
        {
            var (input, output) = UsageOf(outcome);
            usage.Record(input, new TagList([.. tags, new("gen_ai.token.type", "input")]));
            usage.Record(output, new TagList([.. tags, new("gen_ai.token.type", "output")]));
        }

        if (run.Progress.Phases.Run is { } milliseconds)
        {
            var ended = run.Outcome?.Error is { } error
                ? new TagList([.. tags, new("error.type", error.Code)])
                : new TagList([.. tags]);
            duration.Record(TimeSpan.FromMilliseconds(milliseconds).TotalSeconds, ended);
        }
    }
}
