using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth show</c>: everything about one run.</summary>
internal static class ShowCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "show",
            "Shows everything about one run.",
            "berth show 7k3m9xq2",
            "berth show 7k3m9xq2 --json | jq .costUsd")
        {
            run,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var service = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await service.FindAsync(parsed.GetRequiredValue(run), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(view, RunJson.Readable.RunView));
            }
            else
            {
                var screen = surroundings.Screen();
                foreach (var line in RunDetails.Of(view, surroundings.CurrentDirectory))
                {
                    screen.Write(line);
                }
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }
}
