using System.Globalization;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Terminal;

/// <summary>Tells what people and a run at work said to each other.</summary>
internal static class TalkTeller
{
    /// <summary>The lines that an event is worth.</summary>
    public static IEnumerable<Line> Tell(JsonElement data) => data.Text("type") switch
    {
        BerthEvents.MessageSent => Message(data),
        BerthEvents.TurnInterrupted => [Line.Of($"interrupted{By(data)}", Tone.Warning)],
        BerthEvents.TalkEnded => [Line.Of("no message came: the run ends", Tone.Warning)],
        BerthEvents.ApprovalRequested => Requested(data),
        BerthEvents.ApprovalDecided => [Decided(data)],
        BerthEvents.ApprovalBypassed =>
            [Line.Of($"a call was made without approval: {data.Text("toolUseId")}; the run is stopped", Tone.Bad)],
        _ => [],
    };

    private static IEnumerable<Line> Message(JsonElement data)
    {
        var priority = data.Text("priority") is "now" or "later" ? $" ({data.Text("priority")})" : string.Empty;
        var head = $"message{By(data)}{priority}: ";
        foreach (var row in SafeText.Rows(data.Text("text") ?? string.Empty))
        {
            yield return new Line(new Part(head, Tone.Strong), new Part(row));
            head = "  ";
        }
    }

    private static IEnumerable<Line> Requested(JsonElement data)
    {
        var until = data.Text("deadline") is { } text && DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, out var at)
            ? $" until {at.UtcDateTime:HH:mm:ss} UTC"
            : string.Empty;
        var call = data.Whole("call");
        var tool = data.Text("tool") ?? "?";
        var about = ToolArgument.Of(tool, data.Member("input") ?? default, folder: null);
        yield return new Line(
            new Part($"call {call} waits{until}: ", Tone.Warning), new Part(tool + " ", Tone.Strong),
            new Part(about));
        yield return Line.Of(
            $"  berth show RUN tells it whole · berth approve RUN {call} · berth deny RUN {call}", Tone.Faint);
    }

    private static Line Decided(JsonElement data)
    {
        var decision = data.Text("decision");
        var word = decision switch { "allow" => "allowed", "deny" => "denied", _ => "withdrawn" };
        var why = data.Text("cause") switch
        {
            "person" => By(data),
            "timeout" => ": nobody answered in time",
            "too_large" => ": it is too large to be shown",
            "too_many" => ": too many wait",
            "ended" => ": the agent has ended",
            _ => string.Empty,
        };
        return Line.Of($"call {data.Whole("call")} {word}{why}", decision is "allow" ? Tone.Good : Tone.Warning);
    }

    private static string By(JsonElement data) => data.Text("by") is { Length: > 0 } who ? $" by {who}" : string.Empty;
}
