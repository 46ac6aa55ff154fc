using System.Globalization;
using System.Text.Json;
using Berth.Engine.Network;
using Berth.Engine.Runs;

namespace Berth.Terminal;

/// <summary>Everything about one run, for <c>berth show</c>.</summary>
internal static class RunDetails
{
    private const int LabelWidth = 13;

    /// <summary>The lines.</summary>
    public static IEnumerable<Line> Of(RunView run, string currentDirectory)
    {
        foreach (var (label, value) in Facts(run))
        {
            if (!string.IsNullOrEmpty(value))
            {
                var margin = new Part(label.PadRight(LabelWidth), Tone.Faint);
                yield return new Line(margin, new Part(value)) { Indent = LabelWidth };
            }
        }

        foreach (var line in run.Approvals.SelectMany(Waiting))
        {
            yield return line;
        }

        var isTold = string.Equals(run.Message, run.Title, StringComparison.Ordinal);
        foreach (var line in Text("message", isTold ? null : run.Message).Concat(Text("result", run.Result)))
        {
            yield return line;
        }

        yield return Line.Empty;
        foreach (var line in RunSummary.Of(run, currentDirectory))
        {
            yield return line;
        }
    }

    private static IEnumerable<Line> Text(string label, string? text) => string.IsNullOrEmpty(text)
        ? []
        : SafeText.Rows(text).Select(row => Line.Of("  " + row)).Prepend(Line.Of(label, Tone.Faint));

    private static IEnumerable<(string Label, string? Value)> Facts(RunView run) =>
    [
        ("run", run.Id),
        ("workflow", run.Workflow),
        ("title", run.Title),
        ("repository", run.Repository),
        ("base", run.BaseCommit),
        ("head", run.HeadCommit),
        ("mode", $"{run.Mode} ({run.ModeReason})"),
        ("sandbox", run.Sandbox),
        ("network", Network(run.Network)),
        ("mounts", string.Join(", ", run.Mounts)),
        ("trust", run.Trust),
        ("model", run.Model),
        ("CLI", run.CliVersion),
        ("session", run.SessionId),
        ("labels", string.Join(", ", run.Labels.Select(label => $"{label.Key}={label.Value}"))),
        ("created", At(run.CreatedAt)),
        ("started", At(run.StartedAt)),
        ("finished", At(run.FinishedAt)),
        ("phases", Phases(run.PhasesMs)),
        ("exit", Exit(run)),
        ("tokens", Tokens(run)),
        ("gateway", Gateway(run.Gateway)),
        ("clean-up", RunWords.Name(run.Cleanup.State)),
    ];

    // Whoever decides must see all of it.
    private static IEnumerable<Line> Waiting(WaitingCall call)
    {
        yield return new Line(
            new Part("waits".PadRight(LabelWidth), Tone.Warning),
            new Part($"call {call.Call}: {call.Tool}, until {At(call.Deadline)}")) { Indent = LabelWidth };
        var input = call.Input is { } json
            ? JsonSerializer.Serialize(json, TerminalJson.Readable.JsonElement)
            : "(longer than can be shown here; berth logs --raw has it)";
        foreach (var row in SafeText.Rows(input))
        {
            yield return Line.Of("  " + row);
        }
    }

    private static string? At(DateTimeOffset? at) =>
        at?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    private static string Phases(PhaseTimes times)
    {
        (string Name, long? Took)[] phases =
        [
            ("prepare", times.Prepare), ("start", times.Start), ("run", times.Run),
            ("capture", times.Capture), ("deliver", times.Deliver), ("push", times.Push),
            ("cleanup", times.Cleanup),
        ];
        return string.Join(" · ", phases
            .Where(phase => phase.Took is not null)
            .Select(phase => $"{phase.Name} {Amounts.Milliseconds(phase.Took!.Value)}"));
    }

    private static string? Exit(RunView run) => run switch
    {
        { Signal: { } signal } => $"signal {signal}",
        { ExitCode: { } code } => $"code {code}",
        _ => null,
    };

    private static string? Tokens(RunView run) => run.Turns == 0
        ? null
        : $"input {run.Tokens.Input} · output {run.Tokens.Output} · cache read {run.Tokens.CacheRead}"
            + $" · cache creation {run.Tokens.CacheCreation}";

    private static string Network(NetworkView network)
    {
        var tools = network.ModelTools.Count == 0 ? "" : $" · model tools {string.Join(", ", network.ModelTools)}";
        var policy = new NetworkPolicy(network.Mode, network.Hosts) + tools;
        var (connections, refusals, up, down) = network.Counts;
        return connections + refusals == 0
            ? policy
            : $"{policy} · {Amounts.Of(connections, "connection")} · {Amounts.Bytes(up)} up"
                + $" · {Amounts.Bytes(down)} down · {Amounts.Of(refusals, "refusal")}";
    }

    private static string? Gateway(GatewayCounts counts) => counts.Requests == 0
        ? null
        : $"{Amounts.Of(counts.Requests, "request")} · {counts.InputTokens} tokens in · {counts.OutputTokens} out"
            + $" · {Amounts.Dollars(counts.CostUsd)}{Estimated(counts)}"
            + $" · {Amounts.Of(counts.Refusals, "refusal")}"
            + (counts.RefusedRequests == 0 ? "" : $" · {counts.RefusedRequests} not forwarded");

    private static string Estimated(GatewayCounts counts) => counts.EstimatedCalls == 0
        ? ""
        : $", of which {Amounts.Dollars(counts.EstimatedCostUsd)} estimated for"
            + $" {Amounts.Of(counts.EstimatedCalls, "call")}";
}
