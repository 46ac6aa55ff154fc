using Berth.Protocol;

namespace Berth.Engine.Executors;

/// <summary>The run directories of an executor, by run id.</summary>
internal sealed class RunFolders(string runsFolder)
{
    // A run id becomes a folder, a control group, a container and a variable; ours have 26 characters.
    private const int LongestRunId = 64;

    /// <summary>The directory of a run; it may not be there.</summary>
    /// <exception cref="FailureException"><c>run_id_invalid</c>.</exception>
    internal RunDirectory Of(string runId) => IsRunId(runId)
        ? new RunDirectory(Path.Combine(runsFolder, runId))
        : throw new FailureException(
            "run_id_invalid", $"'{runId}' is no run id.",
            "A run id is made of lower-case letters, digits and dashes.", Fault.User);

    /// <summary>The runs that have a directory.</summary>
    internal IEnumerable<string> RunIds => OwnedExecutions.RunIds(runsFolder).Where(IsRunId);

    private static bool IsRunId(string text) =>
        text.Length is > 0 and <= LongestRunId
            && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}
