using System.CommandLine;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth ps</c>: what runs, and what ran.</summary>
internal static class PsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var all = BerthCommand.Flag("--all", "All runs, not only those of the last 24 hours.");
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "ps",
            "Lists runs, newest first.",
            "berth ps",
            "berth ps --all --json | jq -r '.[] | select(.state == \"failed\") | .id'")
        {
            all,
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(surroundings, parsed.GetValue(json), async () =>
        {
            using var service = Opened.Runs(surroundings, parsed.GetValue(server));
            var runs = await service.ListAsync(parsed.GetValue(all), cancel);
            if (parsed.GetValue(json))
            {
                surroundings.Print(JsonSerializer.Serialize(runs, RunJson.Readable.IReadOnlyListRunView));
            }
            else
            {
                Show(runs, surroundings.Screen(), surroundings.Time.GetUtcNow());
            }

            return ExitCodes.Succeeded;
        }));
        return command;
    }

    private static void Show(IReadOnlyList<RunView> runs, IScreen screen, DateTimeOffset now)
    {
        if (runs.Count == 0)
        {
            screen.Write(Line.Of("No runs. berth run WORKFLOW MESSAGE starts one; berth demo shows one.", Tone.Faint));
            return;
        }

        var table = new Columns("RUN", "STATE", "WORKFLOW", "REPOSITORY", "CREATED", "TOOK", "COST");
        foreach (var run in runs)
        {
            table.Add(
                new Part(RunId.Short(run.Id), Tone.Strong),
                RunWords.State(run.State),
                new Part(run.Workflow),
                new Part(RunWords.RepositoryName(run.Repository)),
                new Part(Amounts.Age(now - run.CreatedAt)),
                new Part(Amounts.Time(Took(run, now))),
                new Part(run.CostUsd > 0 ? Amounts.Dollars(run.CostUsd) : "-"));
        }

        table.Show(screen);
    }

    private static TimeSpan Took(RunView run, DateTimeOffset now) =>
        run.DurationMs is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : now - run.CreatedAt;
}
