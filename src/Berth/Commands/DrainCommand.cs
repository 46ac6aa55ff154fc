using System.CommandLine;
using Berth.Engine;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth drain</c>: ends the server of this home; its runs go on.</summary>
internal static class DrainCommand
{
    private const int Terminate = 15;

    // A server lets go of everything within 5 s; a loaded machine is given as much again.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    public static Command Create(Surroundings surroundings)
    {
        var command = new BerthCommand(
            "drain",
            "Ends the server of this home. It accepts no more; the runs go on, and the next server takes them up.",
            "berth drain");
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, json: false, async () =>
        {
            var home = Settings.Bind(surroundings).Home;
            if (ServerLock.Find(home) is not { } server || !server.Process.Signal(Terminate))
            {
                throw new FailureException(
                    "server_not_running", $"No server looks after {home}.", "berth serve starts one.", Fault.User);
            }

            using var poll = new PeriodicTimer(Poll, surroundings.Time);
            var began = surroundings.Time.GetTimestamp();
            while (ServerLock.IsHeld(home))
            {
                if (surroundings.Time.GetElapsedTime(began) > Patience)
                {
                    throw new FailureException(
                        "server_not_ending",
                        $"The server, process {server.Process.Pid}, was asked to end and did not.",
                        "Its log says more; killing it does no harm to the runs.",
                        Fault.Berth);
                }

                await poll.WaitForNextTickAsync(cancel);
            }

            surroundings.Screen().Write(Line.Of("The server has ended; the runs go on."));
            return ExitCodes.Succeeded;
        }));
        return command;
    }
}
