using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth deliver</c>: pushes a run's branch again, after the remote refused or was down.</summary>
internal static class DeliverCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var allowSecrets = BerthCommand.Flag(
            "--allow-secrets", "Push although a secret of the run is in the changes, or may be.");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print the run as JSON when it is pushed.");
        var command = new BerthCommand(
            "deliver",
            "Pushes the branch of a run with --push that could not be pushed, and opens its pull request. "
                + "No agent runs.",
            "berth deliver 7k3m9xq2")
        {
            run,
            allowSecrets,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = (await runs.FindAsync(parsed.GetRequiredValue(run), cancel)).Id;
            var view = await runs.DeliverAsync(id, parsed.GetValue(allowSecrets), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(view, RunJson.Readable.RunView));
                return ExitCodes.Succeeded;
            }

            var screen = surroundings.Screen();
            screen.Write(Line.Of($"The branch {view.Push!.Branch} is at {view.Push.Remote}.", Tone.Good));
            if (view.Push.PullRequest is { } request)
            {
                screen.Write(Line.Of($"The pull request is {request.Url}", Tone.Good));
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }
}
