using System.Globalization;
using System.Text.Json;
using Berth.Engine;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary><c>berth budget</c>: what may be spent today, and what of it is left.</summary>
internal static class BudgetCommand
{
    public static BerthCommand Create(Surroundings surroundings)
    {
        var server = Opened.Server();
        var json = BerthCommand.JsonFlag();
        var command = new BerthCommand(
            "budget",
            "Lists the operator's budgets: what may be spent in this day (UTC), what is spent and what is left.",
            "berth budget",
            "berth budget --json | jq '.budgets[] | select(.isSpent)'")
        {
            server,
            json,
        };
        command.SetAction((parsed, cancel) => CommandBoundary.RunAsync(
            surroundings,
            parsed.GetValue(json),
            async () =>
            {
                using var runs = Opened.Runs(surroundings, parsed.GetValue(server));
                var report = await runs.BudgetsAsync(cancel);
                if (parsed.GetValue(json))
                {
                    surroundings.Print(JsonSerializer.Serialize(report, CommandJson.Readable.BudgetReport));
                }
                else
                {
                    Show(report, surroundings.Screen());
                }

                return ExitCodes.Succeeded;
            }));
        return command;
    }

    private static void Show(BudgetReport report, IScreen screen)
    {
        if (report.Budgets.Count == 0)
        {
            screen.Write(Line.Of("There are no budgets: docs/LOCAL_MODE_GUIDE.md#budgets says how to set some."));
            return;
        }

        var table = new Columns("SCOPE", "NAME", "UNIT", "LIMIT", "SPENT", "LEFT");
        foreach (var budget in report.Budgets)
        {
            foreach (var (unit, amount, text) in Of(budget))
            {
                var tone = amount.Left > 0 ? Tone.Plain : Tone.Bad;
                table.Add(
                    new Part(budget.Scope, Tone.Strong),
                    new Part(budget.Name ?? (budget.Scope is "all" ? string.Empty : "(each)")),
                    new Part(unit),
                    new Part(text(amount.Limit)),
                    new Part(text(amount.Spent)),
                    new Part(text(amount.Left), tone));
            }
        }

        table.Show(screen);
        screen.Write(Line.Of($"Of {report.Day}, which ends at midnight UTC.", Tone.Faint));
    }

    private static IEnumerable<(string Unit, BudgetAmount Amount, Func<decimal, string> Text)> Of(BudgetView budget)
    {
        (string, BudgetAmount?, Func<decimal, string>)[] units =
        [
            ("turns", budget.Turns, Number),
            ("tokens", budget.Tokens, amount => Amounts.Count((long)amount)),
            ("money", budget.Usd, Amounts.Dollars),
            ("wall time", budget.WallSeconds, seconds => Amounts.Time(TimeSpan.FromSeconds((double)seconds))),
        ];
        return from unit in units where unit.Item2 is not null select (unit.Item1, unit.Item2!, unit.Item3);
    }

    private static string Number(decimal amount) => amount.ToString("0", CultureInfo.InvariantCulture);
}
