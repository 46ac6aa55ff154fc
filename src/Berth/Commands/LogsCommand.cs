using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth logs</c>: what a run said.</summary>
internal static class LogsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var follow = BerthCommand.Flag("--follow", "Go on until the run has ended.");
        var raw = BerthCommand.Flag("--raw", "Print exactly what the CLI printed: stream-json, one event a line.");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag("Print the journal: one JSON object a line, with number, time and stream.");
        var command = new BerthCommand(
            "logs",
            "Shows what a run said and did.",
            "berth logs 7k3m9xq2 --follow",
            "berth logs 7k3m9xq2 --raw | jq -c 'select(.type == \"result\")'")
        {
            run,
            follow,
            raw,
            server,
            json,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(raw) && result.GetValue(json))
            {
                result.AddError("--raw and --json cannot be had together.");
            }
        });
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.ResolveAsync(parsed.GetRequiredValue(run), cancel);
            var toTheEnd = parsed.GetValue(follow);
            var entries = runs.ReadLogAsync(view.Id, after: 0, toTheEnd, cancel);
            var printing = (parsed.GetValue(raw), parsed.GetValue(json)) switch
            {
                (true, _) => runs.WriteRawLogAsync(view.Id, toTheEnd, surroundings.Streams.RawOutput, cancel),
                (_, true) => JournalAsync(entries, surroundings.Streams.Output),
                _ => TellAsync(entries, view, surroundings.Screen()),
            };
            await printing;
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static async Task TellAsync(IAsyncEnumerable<JournalEntry> entries, RunView run, IScreen screen)
    {
        var narrator = new Narrator(run.CreatedAt);
        await foreach (var entry in entries)
        {
            foreach (var line in narrator.Tell(entry))
            {
                screen.Write(line);
            }
        }
    }

    private static async Task JournalAsync(IAsyncEnumerable<JournalEntry> entries, TextWriter output)
    {
        await foreach (var entry in entries)
        {
            await output.WriteLineAsync(JsonSerializer.Serialize(entry, ProtocolJson.Default.JournalEntry));
        }
    }
}
