using System.CommandLine;
using System.Text.Json;
using Berth.Engine;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth cleanup</c>: removes what ended runs still have on disk.</summary>
internal static class CleanupCommand
{
    private const string Ages = "a time such as 90m, 48h or 7d";
    private const string Sizes = "a size such as 500M or 20G";

    public static Command Create(Surroundings surroundings)
    {
        var run = new Argument<string?>("RUN") { Description = "One run.", Arity = ArgumentArity.ZeroOrOne };
        var all = BerthCommand.Flag("--all", "All runs that have ended.", "-a");
        var olderThan = BerthCommand.Option("--older-than", "TIME", Ages, text => TimeText.Read(text));
        olderThan.Description = "Runs that ended at least so long ago, 90m, 48h or 7d.";
        var maxSize = BerthCommand.Option("--max-size", "SIZE", Sizes, text => SizeText.Read(text));
        maxSize.Description = "The oldest ended runs, until all hold at most so much, 500M or 20G; artefacts go too.";
        var dryRun = BerthCommand.Flag("--dry-run", "Only say what would be removed.", "-n");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "cleanup",
            "Removes what ended runs have left. Records, transcripts and branches stay, and artefacts for their time.",
            "berth cleanup --all --dry-run",
            "berth cleanup --older-than 48h",
            "berth cleanup --max-size 20G --dry-run",
            "berth cleanup 7k3m9xq2")
        {
            run,
            all,
            olderThan,
            maxSize,
            dryRun,
            server,
            json,
        };
        command.Validators.Add(result =>
        {
            var isAged = result.GetResult(olderThan) is not null;
            var isBounded = result.GetResult(maxSize) is not null;
            bool[] ways = [result.GetValue(run) is not null, result.GetValue(all), isAged, isBounded];
            if (ways.Count(way => way) != 1)
            {
                result.AddError("Name one RUN, or give --all, --older-than or --max-size, and only one of them.");
            }
        });
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
            var id = parsed.GetValue(run) is { } named ? (await runs.FindAsync(named, cancel)).Id : null;
            var report = await runs.CleanUpAsync(
                new CleanupSelection(id, parsed.GetValue(olderThan)) { MostBytes = parsed.GetValue(maxSize) },
                parsed.GetValue(dryRun), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(
                    JsonSerializer.Serialize(report, CommandJson.Readable.CleanupReport));
            }
            else
            {
                Show(report, surroundings.Screen());
            }

            return IsWhole(report) ? ExitCodes.Succeeded : ExitCodes.Failed;
        }));
        return command;
    }

    private static bool IsWhole(CleanupReport report) =>
        report.Runs.All(cleaned => cleaned.Leaked.Count == 0) && report.Warm.All(slot => slot.Leaked.Count == 0);

    private static void Show(CleanupReport report, IScreen screen)
    {
        var word = report.DryRun ? "would remove" : "removed";
        foreach (var path in report.Runs.SelectMany(cleaned => cleaned.Paths)
            .Concat(report.Warm.Select(slot => $"container {slot.Container}")))
        {
            screen.Write(Line.Of($"{word} {path}"));
        }

        foreach (var leak in report.Runs.SelectMany(cleaned => cleaned.Leaked)
            .Concat(report.Warm.SelectMany(slot => slot.Leaked)))
        {
            screen.Write(Line.Of($"left over {leak}", Tone.Warning));
        }

        if (report.Runs.Count == 0)
        {
            if (report.Warm.Count == 0)
            {
                screen.Write(Line.Of("There is nothing to remove."));
            }

            return;
        }

        var done = report.DryRun ? "Would free" : "Freed";
        var runs = Amounts.Of(report.Runs.Count, "run");
        screen.Write(Line.Of($"{done} {Amounts.Bytes(report.Bytes)}, {runs}.", Tone.Strong));
    }
}
