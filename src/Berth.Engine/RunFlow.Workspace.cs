using Berth.Engine.Claude;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

// The workspace: what is looked for in it before the agent begins, and what is known of it after the agent's end.
internal sealed partial class RunFlow
{
    /// <summary>Looks for the folder that the run begins in, which of a URL is known only now, and for instructions
    /// below the top.</summary>
    /// <exception cref="FailureException"><c>directory_not_found</c>.</exception>
    public async Task<PreparedWorkspace> LookAroundAsync(
        RepositoryWorkspaces workspaces, PreparedWorkspace prepared, CancellationToken cancel)
    {
        if (!await workspaces.HasFolderAsync(prepared.Run, Plan.Directory, cancel))
        {
            throw StartDirectory.NotFound(Plan.Directory, Plan.Repository, prepared.BaseCommit);
        }

        if (Plan.Trust is not Trust.Instructions)
        {
            return prepared;
        }

        var (folders, hasMore) = await workspaces.InstructionFoldersAsync(prepared.Run, Plan.Directory, cancel);
        if (hasMore)
        {
            Write(BerthEvents.Notice, new(StringComparer.Ordinal)
            {
                ["message"] = $"More than {RepositoryWorkspaces.MostInstructionFolders} folders have a CLAUDE.md or "
                    + "rules of their own: those nearest to the top are read, and of them first those above the "
                    + "folder that the run begins in.",
            });
        }

        return prepared with { InstructionFolders = folders };
    }

    /// <summary>The execution has ended; its changes are being taken over.</summary>
    public void EnterCapturing(ExitRecord? exit)
    {
        _ = runs.Move(Id, RunState.Running, RunState.Capturing)
            || runs.Move(Id, RunState.Waiting, RunState.Capturing)
            || runs.Move(Id, RunState.Stopping, RunState.Capturing);
        if (exit is not null && !Progress.Collected)
        {
            Save(progress => progress with
            {
                WorkspaceHoldsMore = exit.Capture?.Failure is not null,
                Phases = progress.Phases with { Run = exit.AgentMs, Capture = exit.CaptureMs },
            });
        }
    }
}
