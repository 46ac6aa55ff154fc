using System.CommandLine;
using System.Runtime.InteropServices;
using Berth.Engine;
using Berth.Protocol;
using Berth.Server;

namespace Berth.Commands;

/// <summary><c>berth serve</c>: the server of this home, until it is told to end.</summary>
internal static class ServeCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var urls = new Option<string[]>("--urls")
        {
            Description = "Where to listen, http://ADDRESS:PORT or https://… Repeatable. Default: BERTH_URLS, "
                + "else http://127.0.0.1:7433.",
            HelpName = "URL",
            Arity = ArgumentArity.OneOrMore,
        };
        var open = BerthCommand.Flag("--no-auth", "Ask nobody for a token; on a loopback address only.");
        var format = new Option<string>("--log-format")
        {
            Description = "How the log on standard error is written.",
            HelpName = "text|json",
            DefaultValueFactory = _ => "text",
        };
        format.AcceptOnlyFromAmong("text", "json");
        var command = new BerthCommand(
            "serve",
            "Serves this home: a queue, an API and live events. It ends with Ctrl-C; the runs go on.",
            "berth serve",
            "berth serve --urls http://0.0.0.0:7433 --log-format json",
            "berth token create --name ada --role operator")
        {
            urls,
            open,
            format,
        };
        command.SetAction(parsed => CommandBoundary.RunAsync(surroundings, json: false, async () =>
        {
            using var stop = new CancellationTokenSource();
            using var term = Stopping(PosixSignal.SIGTERM, stop);
            using var interrupt = Stopping(PosixSignal.SIGINT, stop);
            var options = WithUrls(Settings.Bind(surroundings), parsed.GetValue(urls) ?? []);
            var engine = BerthEngine.Open(options, surroundings.Time);
            var start = new ServerStart(
                parsed.GetValue(open), parsed.GetValue(format) is "json", surroundings.Print);
            var proof = ProveAsync(surroundings, options, stop.Token);
            try
            {
                await new BerthServer(engine, options, start, surroundings.Time).RunAsync(stop.Token);
            }
            finally
            {
                await stop.CancelAsync();
                await proof;
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }

    // Beside the start, which it must not hold up: a server without it is as good, and people are told.
    private static async Task ProveAsync(Surroundings surroundings, BerthOptions options, CancellationToken stop)
    {
        try
        {
            if (await new InstructionProbe(options, surroundings.Time).CheckAsync(stop) is { Ok: false } check)
            {
                await surroundings.Streams.Error.WriteLineAsync(
                    $"{check.Code}: {check.Detail}. {check.Mend}".AsMemory(), CancellationToken.None);
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            // The server ends, or the disk has no room: the next start asks again.
        }
    }

    private static BerthOptions WithUrls(BerthOptions options, string[] urls) => urls.Length == 0
        ? options
        : options with { Server = options.Server with { Urls = [.. urls.Select(Read)] } };

    private static Uri Read(string text) => ServerSettings.UrlOf(text) ?? throw new FailureException(
        "usage", $"--urls {text} is not valid: expected {ServerSettings.UrlExpected}.",
        "berth serve --help shows how it is used.", Fault.User);

    private static PosixSignalRegistration Stopping(PosixSignal signal, CancellationTokenSource stop) =>
        PosixSignalRegistration.Create(signal, received =>
        {
            received.Cancel = true;
            stop.Cancel();
        });
}
