using System.Globalization;
using Berth.Engine.Runs;
using Berth.Engine.Storage;

namespace Berth.Bench;

/// <summary>A home in which many runs have ended, over a month.</summary>
internal static class ManyRuns
{
    /// <summary>How many.</summary>
    public const int Count = 10_000;

    /// <summary>How many repositories they were of.</summary>
    public const int Repositories = 20;

    private static readonly TimeSpan Month = TimeSpan.FromDays(30);
    private static readonly string[] Workflows = ["implement", "fix", "test", "review", "document"];
    private static readonly string[] Teams = ["shop", "search", "mail", "pay"];

    private static readonly RunState[] Ends =
    [
        RunState.Succeeded, RunState.Succeeded, RunState.Succeeded, RunState.Succeeded, RunState.Succeeded,
        RunState.Succeeded, RunState.Succeeded, RunState.Failed, RunState.Cancelled, RunState.TimedOut,
    ];

    /// <summary>The name of a repository.</summary>
    public static string Repository(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"https://git.example.com/team/repository-{number}.git");

    /// <summary>Puts them into the table, as the engine itself does.</summary>
    /// <returns>Their ids, the oldest first.</returns>
    public static IReadOnlyList<string> Insert(string home, RunPlan plan)
    {
        Directory.CreateDirectory(home);
        var time = new PastTime(DateTimeOffset.UtcNow - Month);
        var runs = new RunStore(
            Database.Open(Path.Combine(home, "berth.db"), connectionString: null), HomeName.Alone, time);
        var ids = new List<string>();
        for (var i = 0; i < Count; i++)
        {
            var id = RunId.New(time);
            runs.Insert(id, PlanOf(plan, i));
            time.Advance(Month / Count / 2);
            runs.Finish(id, new RunOutcome
            {
                State = Ends[i % Ends.Length],
                Result = "I have done what was asked for: the test passes now, and nothing else was changed.",
                ExitCode = 0,
                Turns = 7,
                CostUsd = 0.12m,
                Model = "claude-opus",
                CliVersion = "2.0.0",
            });
            runs.SetCleanup(id, CleanupState.Done);
            time.Advance(Month / Count / 2);
            ids.Add(id);
        }

        return ids;
    }

    private static RunPlan PlanOf(RunPlan plan, int number) => plan with
    {
        Workflow = Workflows[number % Workflows.Length],
        Repository = Repository(number % Repositories),
        Branch = string.Create(CultureInfo.InvariantCulture, $"berth/implement/{number}"),
        Ticket = new RunTicket(ViaServer: true, "ada")
        {
            Labels = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["team"] = Teams[number % Teams.Length],
                ["number"] = number.ToString(CultureInfo.InvariantCulture),
            },
        },
    };

    // A clock that stands at when a run was made.
    private sealed class PastTime(DateTimeOffset now) : TimeProvider
    {
        private DateTimeOffset now = now;

        public override DateTimeOffset GetUtcNow() => now;

        public void Advance(TimeSpan by) => now += by;
    }
}
