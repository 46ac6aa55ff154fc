using System.CommandLine;
using System.Runtime.InteropServices;
using Berth.Engine;

namespace Berth.Commands;

/// <summary><c>berth host</c>: hosts one run to its end. Started by the other commands, not by people.</summary>
internal static class HostCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = new Argument<string>("RUN") { Description = "The run's whole id." };
        var command = new BerthCommand(
            "host",
            "Hosts one run. Other commands start it by themselves.",
            "berth host 01jd3k7k3m9xq2vw5t8n4c6b0a")
        {
            run,
        };
        command.Hidden = true;
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, async () =>
        {
            using var stop = new CancellationTokenSource();
            using var term = Stopping(PosixSignal.SIGTERM, stop);
            using var interrupt = Stopping(PosixSignal.SIGINT, stop);

            // It asks for no other host: it is one, and the one that starts it has just looked.
            var options = Settings.Bind(surroundings);
            var engine = BerthEngine.Open(options, surroundings.Time);
            await using var home = new HomeWatch(options.Home, stop, surroundings.Time);
            await engine.HostAsync(engine.Resolve(parsed.GetRequiredValue(run)).Id, stop.Token);
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    // The run goes on under its supervisor; only this host lets go of it.
    private static PosixSignalRegistration Stopping(PosixSignal signal, CancellationTokenSource stop) =>
        PosixSignalRegistration.Create(signal, received =>
        {
            received.Cancel = true;
            stop.Cancel();
        });
}
