using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth logs</c>: what a run said.</summary>
internal static class LogsCommand
{
    // More rows than this nobody keeps in memory to see the last of them.
    private const int MostTail = 10_000;

    public static Command Create(Surroundings surroundings)
    {
        var run = BerthCommand.Run();
        var follow = BerthCommand.Flag("--follow", "Go on until the run has ended.", "-f");
        var tail = BerthCommand.Option<int?>(
            "--tail", "N", $"a whole number from 0 to {MostTail}",
            text => Numbers.Whole(text) is { } count and <= MostTail ? (int)count : null, "-n");
        tail.Description = "Begin with the last N lines of what there is; with --json with the last N entries.";
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
            tail,
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

            if (result.GetValue(raw) && result.GetValue(tail) is not null)
            {
                result.AddError("--raw and --tail cannot be had together; pipe it to tail.");
            }
        });
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var view = await runs.FindAsync(parsed.GetRequiredValue(run), cancel);
            var toTheEnd = parsed.GetValue(follow);
            var output = surroundings.Streams;
            var log = new LogRows(runs, view.Id, toTheEnd, parsed.GetValue(tail));
            var printing = (parsed.GetValue(raw), parsed.GetValue(json)) switch
            {
                (true, _) => runs.WriteRawLogAsync(view.Id, toTheEnd, output.RawOutput, cancel),
                (_, true) => log.ShowAsync<string>(
                    entry => [JsonSerializer.Serialize(entry, ProtocolJson.Default.JournalEntry)],
                    output.Output.WriteLine, cancel),
                _ => TellAsync(log, view, surroundings.Screen(), cancel),
            };
            await printing;
            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static Task TellAsync(LogRows log, RunView run, IScreen screen, CancellationToken cancel)
    {
        var narrator = new Narrator(run.CreatedAt);
        return log.ShowAsync(narrator.Tell, screen.Write, cancel);
    }

    /// <summary>What there is to show of a journal.</summary>
    /// <param name="Runs">Whose runs.</param>
    /// <param name="Id">The run.</param>
    /// <param name="Follow">Whether what comes is shown too.</param>
    /// <param name="Tail">How many rows of what there is; null for all.</param>
    private sealed record LogRows(IRunService Runs, string Id, bool Follow, int? Tail)
    {
        public async Task ShowAsync<T>(
            Func<JournalEntry, IEnumerable<T>> tell, Action<T> show, CancellationToken cancel)
        {
            var (last, isOver) = (0L, false);
            if (Tail is { } most)
            {
                // What there is has to be told from the beginning, for a row may depend on those before it.
                var kept = new Queue<T>();
                await foreach (var entry in Runs.ReadLogAsync(Id, after: 0, follow: false, cancel))
                {
                    foreach (var row in tell(entry))
                    {
                        kept.Enqueue(row);
                        if (kept.Count > most)
                        {
                            _ = kept.Dequeue();
                        }
                    }

                    (last, isOver) = (entry.Seq, JournalReader.IsEnd(entry));
                }

                foreach (var row in kept)
                {
                    show(row);
                }
            }

            if (Tail is not null && (!Follow || isOver))
            {
                return;
            }

            await foreach (var entry in Runs.ReadLogAsync(Id, last, Follow, cancel))
            {
                foreach (var row in tell(entry))
                {
                    show(row);
                }
            }
        }
    }
}
