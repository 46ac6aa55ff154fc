using System.CommandLine;
using Berth.Remote;

namespace Berth.Commands;

/// <summary><c>berth attach</c>: what a run says as it says it, and what is typed to it.</summary>
internal static class AttachCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var server = Opened.Server();
        var command = new BerthCommand(
            "attach",
            "Shows a run at work and sends it what is typed: a line is a message, /help names what else there is. "
                + "Ctrl-C ends the agent's turn, a second one or Ctrl-D leaves; the run goes on.",
            "berth attach 7k3m9xq2",
            "echo \"and run the tests\" | berth attach 7k3m9xq2")
        {
            run,
            server,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, false, async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.FindAsync(parsed.GetRequiredValue(run), cancel);
            var screen = surroundings.Screen();
            var ended = await new Attachment(runs, view, screen, surroundings, new AttachedInput(runs, view.Id))
                .FollowAsync();
            switch (ended.SentAwayBy)
            {
                case Attachment.Detached:
                    return ExitCodes.Succeeded;
                case { } signal:
                    return ExitCodes.SentAway + signal;
                default:
                    RunCommand.Show(ended.Run, screen, surroundings);
                    return ExitCodes.Of(ended.Run);
            }
        }));
        return command;
    }
}
