using System.Text.Json;
using Berth.Protocol;

namespace Berth.Terminal;

/// <summary>Tells the events that Berth itself wrote into the journal.</summary>
internal static class BerthTeller
{
    private static readonly string[] Facts =
        ["workflow", "repository", "mode", "modeReason", "sandbox", "network", "modelTools", "mounts", "trust"];

    /// <summary>The lines that an event is worth.</summary>
    public static IEnumerable<Line> Tell(JsonElement data, DateTimeOffset at, Tally tally) => data.Text("type") switch
    {
        BerthEvents.RunAccepted => Accepted(data),
        BerthEvents.Phase => Phase(data, at, tally),
        BerthEvents.Notice => Message("note", data, Tone.Warning),
        BerthEvents.AgentEnded => Ended(data),
        BerthEvents.Stopping => [Line.Of($"stopping: {Joined(data, "stage", "cause")}", Tone.Warning)],
        BerthEvents.Idle => [Line.Of($"no output for {Seconds(data)}", Tone.Warning)],
        BerthEvents.JournalFull => [Line.Of("the journal is full: from here on only the result is kept", Tone.Warning)],
        BerthEvents.Captured => Captured(data),
        BerthEvents.LeftoversKilled => Leftovers(data),
        BerthEvents.ModelRefused =>
            [Line.Of($"the model's service refused: {Joined(data, "status", "message")}", Tone.Bad)],
        BerthEvents.RequestRefused => Message("gateway", data, Tone.Warning),
        BerthEvents.BudgetSpent => Message("budget", data, Tone.Bad),
        BerthEvents.NetworkConnection => Connection(data),
        BerthEvents.NetworkRefused => [Line.Of($"network: refused: {data.Text("message")}", Tone.Warning)],
        BerthEvents.MessageSent or BerthEvents.TurnInterrupted or BerthEvents.TalkEnded
            or BerthEvents.ApprovalRequested or BerthEvents.ApprovalDecided
                or BerthEvents.ApprovalBypassed => TalkTeller.Tell(data),
        BerthEvents.Adopted => [Line.Of("taken over from a host that had died", Tone.Warning)],
        BerthEvents.Delivered => Delivered(data),
        BerthEvents.Pushed => [Line.Of($"pushed {data.Text("branch")} to {data.Text("remote")}", Tone.Good)],
        BerthEvents.PullRequestOpened => [Line.Of($"pull request {data.Text("url")}", Tone.Good)],
        BerthEvents.PushFailed => Message("push", data, Tone.Bad),
        _ => Message("note", data, Tone.Faint),
    };

    private static IEnumerable<Line> Accepted(JsonElement data)
    {
        var facts = Facts.Select(name => (Name: name, Value: data.Text(name)))
            .Where(fact => !string.IsNullOrEmpty(fact.Value))
            .Select(fact => fact.Name is "modeReason" ? $"({fact.Value})" : $"{fact.Name} {fact.Value}");
        var text = string.Join(" · ", facts).Replace(" · (", " (", StringComparison.Ordinal);
        return text.Length > 0 ? [Line.Of(text, Tone.Faint)] : [];
    }

    private static IEnumerable<Line> Phase(JsonElement data, DateTimeOffset at, Tally tally)
    {
        var name = data.Text("phase") ?? "unknown phase";
        if (string.Equals(name, tally.Phase, StringComparison.Ordinal))
        {
            // The supervisor begins to capture and the host goes on with it; to people it is one phase.
            return [];
        }

        var before = tally.Phase is null
            ? string.Empty
            : $" · {tally.Phase} took {Amounts.Time(at - tally.PhaseSince)}";
        tally.Phase = name;
        tally.PhaseSince = at;
        return [new Line(new Part(name, Tone.Strong), new Part(before, Tone.Faint))];
    }

    private static IEnumerable<Line> Ended(JsonElement data)
    {
        if (data.Whole("signal") is { } signal)
        {
            return [Line.Of($"the agent was ended by signal {signal}", Tone.Warning)];
        }

        return data.Whole("exitCode") is { } code and not 0
            ? [Line.Of($"the agent ended with exit code {code}", Tone.Warning)]
            : [];
    }

    private static IEnumerable<Line> Leftovers(JsonElement data)
    {
        var count = data.Whole("count") ?? 0;
        var noun = count == 1 ? "process" : "processes";
        yield return Line.Of($"{count} {noun} outlived the agent: killed", Tone.Warning);
    }

    private static IEnumerable<Line> Captured(JsonElement data)
    {
        var record = data.Member("capture") ?? data;
        if (record.Member("failure")?.Text("message") is not { } failure)
        {
            return [];
        }

        return record.Text("state") is "failed" or null
            ? [Line.Of($"capturing the work failed: {failure}", Tone.Bad)]
            : [Line.Of(failure, Tone.Warning)];
    }

    private static IEnumerable<Line> Delivered(JsonElement data)
    {
        var commits = data.Whole("commits") is { } count ? $" · {Amounts.Of(count, "commit")}" : string.Empty;
        return data.Text("branch") is { } branch
            ? [new Line(new Part("branch " + branch, Tone.Good), new Part(commits))]
            : [];
    }

    private static IEnumerable<Line> Connection(JsonElement data)
    {
        var up = Amounts.Bytes(data.Whole("bytesUp") ?? 0);
        var bytes = $"{up} up, {Amounts.Bytes(data.Whole("bytesDown") ?? 0)} down";
        return data.Text("failure") is { Length: > 0 } failure
            ? [Line.Of($"network: {Where(data)} not reached: {failure}", Tone.Warning)]
            : [Line.Of($"network: {Where(data)} · {bytes} · {Took(data)}", Tone.Faint)];
    }

    private static string Where(JsonElement data) =>
        data.Text("host") is { } host ? $"{host}:{data.Whole("port")}" : "a request";

    private static string Took(JsonElement data) =>
        Amounts.Time(TimeSpan.FromMilliseconds(Math.Clamp((double)(data.Number("durationMs") ?? 0), 0, 1e12)));

    private static IEnumerable<Line> Message(string what, JsonElement data, Tone tone) =>
        data.Text("message") is { Length: > 0 } message
            ? SafeText.Rows(message).Select(row => Line.Of($"{what}: {row}", tone))
            : [];

    private static string Seconds(JsonElement data) =>
        Amounts.Time(TimeSpan.FromSeconds(Math.Clamp((double)(data.Number("seconds") ?? 0), 0, 1e9)));

    private static string Joined(JsonElement data, params ReadOnlySpan<string> names)
    {
        var words = new List<string>();
        foreach (var name in names)
        {
            var word = data.Text(name) ?? data.Member(name)?.ToString();
            if (!string.IsNullOrEmpty(word))
            {
                words.Add(word);
            }
        }

        return string.Join(", ", words);
    }
}
