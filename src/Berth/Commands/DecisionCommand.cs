using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth approve</c> and <c>berth deny</c>: decisions on tool calls that wait.</summary>
internal static class DecisionCommand
{
    public static Command Approve(Surroundings surroundings) => Create(
        surroundings, isAllowed: true, reason: null, new BerthCommand(
            "approve",
            "Allows a tool call that waits: once, and no other. berth show tells what it is.",
            "berth approve 7k3m9xq2",
            "berth approve 7k3m9xq2 2"));

    public static Command Deny(Surroundings surroundings) => Create(
        surroundings,
        isAllowed: false,
        new Option<string?>("--reason") { Description = "What the agent is told.", HelpName = "TEXT" },
        new BerthCommand(
            "deny",
            "Denies a tool call that waits; the agent goes on without it.",
            "berth deny 7k3m9xq2 --reason \"use the function that is there\""));

    private static BerthCommand Create(
        Surroundings surroundings, bool isAllowed, Option<string?>? reason, BerthCommand command)
    {
        var run = BerthCommand.Run();
        var call = new Argument<int?>("CALL")
        {
            Description = "The number of the call; may be left out where only one waits.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        command.Add(run);
        command.Add(call);
        if (reason is not null)
        {
            command.Add(reason);
        }

        command.Add(server);
        command.Add(json);
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = (await runs.FindAsync(parsed.GetRequiredValue(run), cancel)).Id;
            var why = reason is null ? null : parsed.GetValue(reason);
            var receipt = await runs.DecideAsync(
                id, new ApprovalDecision(isAllowed, parsed.GetValue(call), why), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(receipt, CommandJson.Readable.ApprovalReceipt));
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
