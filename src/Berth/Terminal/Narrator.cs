using System.Text.Json;
using Berth.Protocol;

namespace Berth.Terminal;

/// <summary>Tells a journal to people, line by line; what it does not know it leaves out.</summary>
/// <param name="origin">The moment from which times are counted: the run's creation.</param>
internal sealed class Narrator(DateTimeOffset origin)
{
    private const int StampWidth = 7;
    private const string Gap = "  ";

    private readonly LineParts parts = new();
    private readonly AgentTeller agent = new();

    /// <summary>What the run has come to so far.</summary>
    public Tally Tally { get; } = new();

    /// <summary>The lines that an entry is worth; often none.</summary>
    public IEnumerable<Line> Tell(JournalEntry entry)
    {
        if (parts.Take(entry) is not { } data)
        {
            return [];
        }

        var lines = entry.Stream switch
        {
            JournalEntry.Stdout when data.ValueKind == JsonValueKind.Object => agent.Tell(data, entry.At, Tally),
            JournalEntry.Stdout => Words("output", Tone.Faint, data),
            JournalEntry.Stderr => Words("stderr", Tone.Warning, data),
            JournalEntry.Berth => BerthTeller.Tell(data, entry.At, Tally).Concat(Unanswered(data)),
            _ => [],
        };
        return Stamped(lines, entry.At);
    }

    /// <summary>The status of the moment in one row.</summary>
    public string Status(DateTimeOffset now) => Tally.Row(now - origin, now - Tally.PhaseSince);

    // When the agent has ended, its open calls will never have a result.
    private IEnumerable<Line> Unanswered(JsonElement data) =>
        data.Text("type") is BerthEvents.AgentEnded or BerthEvents.RunFinished ? agent.GiveUp(Tally) : [];

    private static IEnumerable<Line> Words(string who, Tone tone, JsonElement data)
    {
        var text = data.ValueKind == JsonValueKind.String ? data.GetString()! : data.GetRawText();
        return SafeText.Rows(text).Where(row => row.Length > 0)
            .Select(row => new Line(new Part(who + Gap, Tone.Faint), new Part(row, tone)));
    }

    private IEnumerable<Line> Stamped(IEnumerable<Line> lines, DateTimeOffset at)
    {
        var stamp = Amounts.Clock(at - origin).PadLeft(StampWidth);
        foreach (var line in lines)
        {
            yield return line with
            {
                Parts = [new Part(stamp + Gap, Tone.Faint), .. line.Parts],
                Indent = StampWidth + Gap.Length,
            };
            stamp = new string(' ', StampWidth);
        }
    }
}
