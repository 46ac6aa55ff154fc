using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth cancel</c>: stops a run and keeps what it has done.</summary>
internal static class CancelCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var force = BerthCommand.Flag(
            "--force", "Do not ask the agent to stop: kill it. What it has written is still kept.", "-f");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print the run as JSON when the stop was asked for.");
        var command = new BerthCommand(
            "cancel",
            "Stops a run. Its work so far is captured and kept.",
            "berth cancel 7k3m9xq2",
            "berth cancel 7k3m9xq2 --force")
        {
            run,
            force,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.FindAsync(parsed.GetRequiredValue(run), cancel);
            var wasFinal = view.State.IsFinal();
            if (!wasFinal)
            {
                view = await runs.CancelAsync(view.Id, parsed.GetValue(force), cancel);
            }

            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(view, RunJson.Readable.RunView));
                return ExitCodes.Succeeded;
            }

            var id = RunId.Short(view.Id);
            var said = wasFinal
                ? $"The run {id} had ended already: {RunWords.Name(view.State)}."
                : $"The run {id} is being stopped; berth logs {id} --follow shows it.";
            surroundings.Screen().Write(Line.Of(said));
            return ExitCodes.Succeeded;
        }));
        return command;
    }
}
