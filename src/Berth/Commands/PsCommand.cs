using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth ps</c>: what runs, and what ran.</summary>
internal static class PsCommand
{
    private const string Open = "open";
    private const string Ended = "ended";

    /// <summary>What <c>--state</c> takes: the states, and two words for several of them.</summary>
    internal static IReadOnlyList<string> StateWords { get; } =
        [.. Enum.GetValues<RunState>().Select(RunWord.Of), Open, Ended];

    public static Command Create(Surroundings surroundings)
    {
        var options = new PsOptions();
        var command = new BerthCommand(
            "ps",
            "Lists runs, newest first: those that are open, and those that ended in the last 24 hours.",
            "berth ps",
            "berth ps --state open --workflow fix --label team=shop",
            "berth ps --limit 5 --format \"{{.shortId}} {{.state}} {{.title}}\"",
            "berth ps --state open --quiet | xargs -n1 berth cancel",
            "berth ps --all --json | jq -r '.[] | select(.state == \"failed\") | .id'");
        options.AddTo(command);
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(
            surroundings, options.IsJson(parsed), () => ListAsync(surroundings, options, parsed, cancel)));
        return command;
    }

    private static async Task<int> ListAsync(
        Surroundings surroundings, PsOptions options, ParseResult parsed, CancellationToken cancel)
    {
        var template = options.TemplateOf(parsed);
        var selection = options.SelectionOf(parsed);
        using var service = Opened.Runs(surroundings, options.ServerOf(parsed));

        // One more than is shown tells that there are more.
        var found = await service.ListAsync(selection with { Limit = selection.Limit + 1 }, cancel);
        IReadOnlyList<RunView> runs = [.. found.Take(selection.Limit)];
        if (options.IsJson(parsed))
        {
            surroundings.Print(JsonSerializer.Serialize(runs, RunJson.Readable.IReadOnlyListRunView));
        }
        else if (template is not null || options.IsQuiet(parsed))
        {
            foreach (var run in runs)
            {
                Print(surroundings, template?.Of(run) ?? run.Id);
            }
        }
        else
        {
            Show(runs, surroundings.Screen(), surroundings.Time.GetUtcNow(), WhyNone(selection));
        }

        if (found.Count > selection.Limit && !options.HasLimit(parsed))
        {
            surroundings.Screen(onError: true).Write(Line.Of(
                $"These are the newest {selection.Limit}; --limit N shows more.", Tone.Faint));
        }

        return ExitCodes.Succeeded;
    }

    // A program has the text as it is; a screen has what is in it made harmless.
    private static void Print(Surroundings surroundings, string row)
    {
        if (surroundings.Streams.OutputIsTerminal)
        {
            surroundings.Screen().Write(Line.Of(row));
        }
        else
        {
            surroundings.Print(row);
        }
    }

    private static string WhyNone(RunSelection selection) => selection switch
    {
        { All: false } and ({ States.Count: > 0 } or { Workflow: not null } or { Labels.Count: > 0 }) =>
            "No such runs are open or ended in the last 24 hours; --all looks at older ones too.",
        { All: true } => "No runs.",
        _ => "No runs. berth run WORKFLOW MESSAGE starts one; berth demo shows one; --all lists older ones.",
    };

    private static void Show(IReadOnlyList<RunView> runs, IScreen screen, DateTimeOffset now, string none)
    {
        if (runs.Count == 0)
        {
            screen.Write(Line.Of(none, Tone.Faint));
            return;
        }

        var table = new Columns("RUN", "STATE", "WORKFLOW", "REPOSITORY", "CREATED", "TOOK", "COST", "TITLE");
        foreach (var run in runs)
        {
            table.Add(
                new Part(RunId.Short(run.Id), Tone.Strong),
                RunWords.State(run.State),
                new Part(run.Workflow),
                new Part(RunWords.RepositoryName(run.Repository)),
                new Part(Amounts.Age(now - run.CreatedAt)),
                new Part(Amounts.Time(Took(run, now))),
                new Part(run.CostUsd > 0 ? Amounts.Dollars(run.CostUsd) : "-"),
                new Part(run.Title));
        }

        table.Show(screen);
    }

    private static TimeSpan Took(RunView run, DateTimeOffset now) =>
        run.DurationMs is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : now - run.CreatedAt;

    /// <summary>What <c>berth ps</c> is called with.</summary>
    private sealed class PsOptions
    {
        private readonly Option<bool> all = BerthCommand.Flag(
            "--all", "All runs, not only those that are open or ended in the last 24 hours.", "-a");

        private readonly Option<string[]> states = BerthCommand.Many(
            "--state", "STATE", "Runs in this state; open and ended stand for several. Repeatable.", "-s");

        private readonly Option<string?> workflow = new("--workflow", "-w")
        {
            Description = "Runs of this workflow.",
            HelpName = "NAME",
        };

        private readonly Option<string[]> labels = BerthCommand.Many(
            "--label", "NAME=VALUE", "Runs with this label. Repeatable: with all of them.", "-l");

        private readonly Option<int?> limit = BerthCommand.Option<int?>(
            "--limit",
            "N",
            $"a whole number from 1 to {RunSelection.MostListed}",
            text => Numbers.Whole(text) is { } count and >= 1 and <= RunSelection.MostListed ? (int)count : null,
            "-n");

        private readonly Option<bool> quiet = BerthCommand.Flag("--quiet", "Print the ids only.", "-q");

        private readonly Option<string?> format = new("--format")
        {
            Description = "Print each run by a template, such as '{{.shortId}} {{.state}} {{.labels.team}}', "
                + "with the names of --json; or json for a line of JSON each.",
            HelpName = "TEMPLATE",
        };

        private readonly Option<string?> server = Opened.Server();
        private readonly Option<bool> json = BerthCommand.JsonFlag();

        public void AddTo(Command command)
        {
            limit.Description = $"The newest N runs, however old. Default: {RunSelection.DefaultLimit} of the others.";
            states.Validators.Add(result => Check(result, WhyNoState));
            labels.Validators.Add(result => Check(result, text => RunLabels.Read(text) is null
                ? $"--label {text} is not valid: expected NAME=VALUE."
                : null));
            command.Validators.Add(result =>
            {
                bool[] ways = [result.GetValue(quiet), result.GetValue(format) is not null, result.GetValue(json)];
                if (ways.Count(way => way) > 1)
                {
                    result.AddError("Only one of --quiet, --format and --json can be had.");
                }
            });
            foreach (var option in (IReadOnlyList<Option>)
                [all, states, workflow, labels, limit, quiet, format, server, json])
            {
                command.Add(option);
            }
        }

        public bool IsJson(ParseResult parsed) => parsed.GetValue(json);

        public bool IsQuiet(ParseResult parsed) => parsed.GetValue(quiet);

        public bool HasLimit(ParseResult parsed) => parsed.GetValue(limit) is not null;

        public string? ServerOf(ParseResult parsed) => parsed.GetValue(server);

        public RunTemplate? TemplateOf(ParseResult parsed) =>
            parsed.GetValue(format) is { } text ? RunTemplate.Parse(text) : null;

        public RunSelection SelectionOf(ParseResult parsed) => new()
        {
            All = parsed.GetValue(all) || HasLimit(parsed),
            States = [.. (parsed.GetValue(states) ?? []).SelectMany(Words).SelectMany(StatesOf).Distinct()],
            Workflow = parsed.GetValue(workflow),
            Labels = [.. (parsed.GetValue(labels) ?? []).Select(text => RunLabels.Read(text)!.Value)],
            Limit = parsed.GetValue(limit) ?? RunSelection.DefaultLimit,
        };

        private static void Check(OptionResult result, Func<string, string?> whyNot)
        {
            foreach (var why in result.Tokens.Select(token => whyNot(token.Value)).OfType<string>())
            {
                result.AddError(why);
            }
        }

        private static string[] Words(string text) => text.Split(',');

        private static string? WhyNoState(string text) => Words(text)
            .Where(word => !StateWords.Contains(word, StringComparer.Ordinal))
            .Select(word => $"There is no state {word}.{NearestName.Question(word, StateWords)} "
                + $"There are {string.Join(", ", StateWords)}.")
            .FirstOrDefault();

        private static IEnumerable<RunState> StatesOf(string word) => Enum.GetValues<RunState>().Where(state =>
            word switch
            {
                Open => !state.IsFinal(),
                Ended => state.IsFinal(),
                _ => string.Equals(RunWord.Of(state), word, StringComparison.Ordinal),
            });
    }
}
