using System.Globalization;
using Berth.Engine;
using Berth.Protocol;
using Berth.Remote;

namespace Berth.Commands;

/// <summary>What is typed to a run that a command is attached to.</summary>
internal sealed class AttachedInput(IRunService runs, string id)
{
    /// <summary>What there is to type.</summary>
    private const string Help =
        "A line is a message for the agent's turn. /now TEXT ends what it does, /later TEXT has a turn of its own. "
        + "/interrupt ends its turn, /approve [CALL] and /deny [CALL] [REASON] decide on a call that waits, "
        + "/cancel stops the run, /detach leaves it. A line that begins with // is a message that begins with /.";

    /// <summary>Ends the agent's turn.</summary>
    /// <returns>What came of it.</returns>
    public Task<string> InterruptAsync() => SaidAsync(async () =>
        Receipts.Of(await runs.InterruptAsync(id, CancellationToken.None)));

    /// <summary>Does what a line says.</summary>
    /// <returns>What came of it; null where the line asks to leave.</returns>
    public async Task<string?> TakeAsync(string line)
    {
        var (word, rest) = Split(line);
        return word switch
        {
            "/detach" => null,
            "/help" => Help,
            "/interrupt" => await InterruptAsync(),
            "/approve" => await DecideAsync(isAllowed: true, rest),
            "/deny" => await DecideAsync(isAllowed: false, rest),
            "/now" => await SendAsync(rest, MessagePriority.Now),
            "/later" => await SendAsync(rest, MessagePriority.Later),
            "/cancel" => await SaidAsync(async () =>
            {
                _ = await runs.CancelAsync(id, force: false, CancellationToken.None);
                return "Stopping; what was done is kept.";
            }),
            _ when word.StartsWith("//", StringComparison.Ordinal) => await SendAsync(line[1..], MessagePriority.Next),
            _ when word.StartsWith('/') => $"There is no {word}. {Help}",
            "" => string.Empty,
            _ => await SendAsync(line, MessagePriority.Next),
        };
    }

    private Task<string> SendAsync(string text, MessagePriority priority) => SaidAsync(async () =>
        Receipts.Of(await runs.SendAsync(id, new RunMessage(text, priority), CancellationToken.None)));

    private Task<string> DecideAsync(bool isAllowed, string rest)
    {
        var (first, more) = Split(rest);
        var isNumber = int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var call);
        var reason = isNumber ? more : rest;
        var decision = new ApprovalDecision(
            isAllowed, isNumber ? call : null, isAllowed || reason.Length == 0 ? null : reason);
        return SaidAsync(async () => Receipts.Of(await runs.DecideAsync(id, decision, CancellationToken.None)));
    }

    // A refusal is said, and the command stays.
    private static async Task<string> SaidAsync(Func<Task<string>> act)
    {
        try
        {
            return await act();
        }
        catch (FailureException refused)
        {
            return $"{refused.Failure.Message} {refused.Failure.Hint}".TrimEnd();
        }
    }

    private static (string Word, string More) Split(string line)
    {
        var trimmed = line.Trim();
        var space = trimmed.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? (trimmed, string.Empty) : (trimmed[..space], trimmed[(space + 1)..].TrimStart());
    }
}
