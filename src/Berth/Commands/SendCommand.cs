using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth send</c>: a message to a run at work.</summary>
internal static class SendCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var message = new Argument<string?>("MESSAGE")
        {
            Description = "What to say; - or nothing reads it from standard input.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var file = new Option<string?>("--file", "-f")
        {
            Description = "Read the message from this file, in the place of MESSAGE.",
            HelpName = "FILE",
        };
        var priority = BerthCommand.Option<MessagePriority?>(
            "--priority", "WHEN", "now, next or later", text => text switch
            {
                "now" => MessagePriority.Now,
                "next" => MessagePriority.Next,
                "later" => MessagePriority.Later,
                _ => null,
            });
        priority.Description = "now ends what the agent does, next goes into its turn, later has a turn of its own. "
            + "Default: next.";
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print the receipt as JSON.");
        var command = new BerthCommand(
            "send",
            "Sends a message to a run at work, and says whether the agent has it.",
            "berth send 7k3m9xq2 \"leave the tests as they are\"",
            "berth send 7k3m9xq2 --priority later \"then update the changelog\"")
        {
            run,
            message,
            file,
            priority,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = (await runs.FindAsync(parsed.GetRequiredValue(run), cancel)).Id;
            var text = await Prompt.ReadAsync(
                parsed.GetValue(message), parsed.GetValue(file), surroundings, cancel);
            var sent = new RunMessage(text, parsed.GetValue(priority) ?? MessagePriority.Next);
            var receipt = await runs.SendAsync(id, sent, cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(receipt, CommandJson.Readable.MessageReceipt));
            }
            else
            {
                surroundings.Screen().Write(Line.Of(Receipts.Of(receipt)));
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }
}

/// <summary>Receipts in words.</summary>
internal static class Receipts
{
    /// <summary>Of a message.</summary>
    public static string Of(MessageReceipt receipt) => receipt.State switch
    {
        MessageState.Sent => $"The run {RunId.Short(receipt.RunId)} has the message; the agent has not read it yet.",
        MessageState.Queued => "The agent has the message.",
        _ => "The message is in the conversation.",
    };

    /// <summary>Of an interrupt.</summary>
    public static string Of(InterruptReceipt receipt) => receipt.IsOver
        ? "The turn has ended. The run waits ten minutes for a message: berth send."
        : "The agent was told to end its turn; it has not said yet that it has.";

    /// <summary>Of a decision.</summary>
    public static string Of(ApprovalReceipt receipt) =>
        $"The call {receipt.Call} is {(receipt.Decision is "allow" ? "allowed" : "denied")}.";
}
