using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What a run changed, as git shows it.</summary>
internal static class RunDiff
{
    /// <summary>Writes a run's changes; nothing where there are none.</summary>
    /// <exception cref="FailureException"><c>changes_gone</c>: there were some, and no repository has them any
    /// more.</exception>
    public static async Task WriteAsync(
        RepositoryWorkspaces workspaces, RunRecord run, DiffOrder order, Stream output, CancellationToken cancel)
    {
        if (run.Progress is not { Work: { } work, Workspace: { } prepared })
        {
            return;
        }

        var written = await workspaces.DiffAsync(prepared.Run, work.HeadCommit, order, output, cancel);
        if (!written.HasWork)
        {
            throw new FailureException(
                "changes_gone",
                $"The changes of run {run.Id} are in no repository any more that Berth knows of: {prepared.Run.Mirror} "
                    + $"was removed, or has lost the commit {work.HeadCommit}.",
                $"berth show {RunId.Short(run.Id)} still says which files they were in.",
                Fault.Nobody);
        }
    }
}
