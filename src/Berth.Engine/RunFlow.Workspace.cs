using Berth.Engine.Claude;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

// What is looked for in a workspace before the agent begins.
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
}
