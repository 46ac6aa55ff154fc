using System.CommandLine;
using System.Text.Json;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth interrupt</c>: ends a run's turn, and not the run.</summary>
internal static class InterruptCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "interrupt",
            "Ends what the agent of a run is doing. The run waits ten minutes for a message; berth cancel ends it.",
            "berth interrupt 7k3m9xq2")
        {
            run,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = (await runs.FindAsync(parsed.GetRequiredValue(run), cancel)).Id;
            var receipt = await runs.InterruptAsync(id, cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(receipt, CommandJson.Readable.InterruptReceipt));
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
