using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
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
            var settings = Settings.Bind(surroundings);
            var engine = Opened.Engine(surroundings, settings);
            var view = engine.Resolve(parsed.GetRequiredValue(run));
            var entries = engine.ReadLogAsync(view.Id, after: 0, parsed.GetValue(follow), cancel);
            var printing = (parsed.GetValue(raw), parsed.GetValue(json)) switch
            {
                (true, _) => RawAsync(entries, FolderOf(settings, view.Id), surroundings.Streams.RawOutput, cancel),
                (_, true) => JournalAsync(entries, surroundings.Streams.Output),
                _ => TellAsync(entries, view, surroundings.Screen()),
            };
            await printing;
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static RunDirectory FolderOf(BerthOptions settings, string id) =>
        new(Path.Combine(settings.Home, "runs", id));

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

    private static async Task RawAsync(
        IAsyncEnumerable<JournalEntry> entries, RunDirectory folder, Stream output, CancellationToken cancel)
    {
        var lines = new RawLines(folder, output);
        await foreach (var entry in entries)
        {
            await lines.WriteAsync(entry, cancel);
        }
    }
}
