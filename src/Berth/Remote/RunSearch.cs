using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Remote;

/// <summary>Finds the run that somebody means, and says which he may have meant where there is none.</summary>
internal static class RunSearch
{
    // A slip is made in an id that was just seen.
    private const int MostCompared = 200;

    /// <inheritdoc cref="IRunService.ResolveAsync"/>
    public static Task<RunView> FindAsync(this IRunService runs, string fragment, CancellationToken cancel) =>
        runs.SuggestingAsync(fragment, () => runs.ResolveAsync(fragment, cancel), cancel);

    /// <summary>Does something with a run; where there is none of that name, the refusal names the nearest.</summary>
    /// <remarks>The nearest are looked for here and not by a server: who may not see a run is not told of it.</remarks>
    public static async Task<T> SuggestingAsync<T>(
        this IRunService runs, string fragment, Func<Task<T>> act, CancellationToken cancel)
    {
        try
        {
            return await act();
        }
        catch (FailureException unknown) when (unknown.Failure.Code is "run_not_found")
        {
            var seen = await runs.ListAsync(new RunSelection { All = true, Limit = MostCompared }, cancel);
            var question = NearestName.Question(
                fragment, seen.SelectMany(run => new[] { RunId.Short(run.Id), run.Id }));
            var failure = unknown.Failure;
            throw new FailureException(failure.Code, failure.Message + question, failure.Hint, failure.Fault, unknown);
        }
    }
}
