using System.Data.Common;
using Berth.Engine;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;
using Berth.Remote;
using Berth.Terminal;

namespace Berth.Commands;

/// <summary>The runs and workflows of this home, or the runs of the server that is named.</summary>
/// <remarks>
/// Somebody has pressed a key and waits: nothing is asked twice, nothing is changed, no host is started, and where the
/// answer does not come there is none.
/// </remarks>
internal sealed class CompletedNames(Surroundings surroundings) : ICompletedNames
{
    // More than a screen is no choice.
    private const int MostRuns = 50;
    private static readonly TimeSpan ServerTimeout = TimeSpan.FromSeconds(1);
    private static readonly string[] ForOpenRuns = ["attach", "send", "interrupt", "approve", "deny", "cancel"];
    private static readonly string[] ForEndedRuns = ["cleanup", "deliver"];

    public IReadOnlyList<Candidate> Runs(string command)
    {
        var isOpen = ForOpenRuns.Contains(command, StringComparer.Ordinal);
        var isEnded = ForEndedRuns.Contains(command, StringComparer.Ordinal);
        RunState[] states = [.. Enum.GetValues<RunState>().Where(
            state => (isOpen && !state.IsFinal()) || (isEnded && state.IsFinal()))];
        var now = surroundings.Time.GetUtcNow();
        var selection = new RunSelection { All = true, States = states, Limit = MostRuns };
        return
        [
            .. from run in Answered(options => Listed(options, selection))
               let facts = $"{RunWords.Name(run.State)}, {run.Workflow}, {Amounts.Age(now - run.CreatedAt)}"
               select new Candidate(RunId.Short(run.Id), SafeText.Row($"{facts}: {run.Title}")),
        ];
    }

    public IReadOnlyList<Candidate> Workflows() =>
        [.. Answered(options => new WorkflowCatalog(new WorkflowOptions { Folders = options.WorkflowFolders }).List())
            .Select(workflow => new Candidate(workflow.Name, SafeText.Row(workflow.Description)))];

    private IReadOnlyList<RunView> Listed(BerthOptions options, RunSelection selection)
    {
        if (options.Remote.Server is { } server)
        {
            using var runs = new ServerRuns(server, options.Remote.Token, surroundings.Time);
            using var limit = new CancellationTokenSource(ServerTimeout, surroundings.Time);
            return runs.ListAsync(selection, limit.Token).GetAwaiter().GetResult();
        }

        // A home that is not there has no runs, and looking for them makes none.
        if (options.Database is null && !File.Exists(Path.Combine(options.Home, "berth.db")))
        {
            return [];
        }

        using var home = new HomeRuns(BerthEngine.Open(options, surroundings.Time), surroundings.Time);
        return home.ListAsync(selection, CancellationToken.None).GetAwaiter().GetResult();
    }

    private IReadOnlyList<T> Answered<T>(Func<BerthOptions, IReadOnlyList<T>> ask)
    {
        try
        {
            return ask(Settings.Bind(surroundings));
        }
        catch (Exception none) when (none is FailureException or DbException or OperationCanceledException)
        {
            return [];
        }
    }
}
