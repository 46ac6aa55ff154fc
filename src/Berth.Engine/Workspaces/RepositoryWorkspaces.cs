using Berth.Engine.Git;

namespace Berth.Engine.Workspaces;

/// <summary>From a repository to a workspace, and from what a run left there to a branch.</summary>
internal sealed class RepositoryWorkspaces(WorkspaceOptions options, GitProgram git, TimeProvider time)
{
    internal Task<RepositoryFacts> InspectAsync(
        RepositorySource source, string? reference, string branch, CancellationToken cancellation) => throw NotYet();

    internal Task<PreparedWorkspace> PrepareAsync(WorkspaceRequest request, CancellationToken cancellation) =>
        throw NotYet();

    /// <summary>The run's part as <see cref="PrepareAsync"/> recorded it, or null where it got not that far.</summary>
    internal RunWorkspace? Find(Berth.Protocol.RunDirectory directory) => throw NotYet();

    internal Task<CollectedWork?> CollectAsync(RunWorkspace run, CancellationToken cancellation) => throw NotYet();

    internal Task<string> DeliverAsync(RunWorkspace run, CollectedWork work, CancellationToken cancellation) =>
        throw NotYet();

    internal Task<DiffWritten> DiffAsync(
        RunWorkspace run, string headCommit, bool stat, Stream output, CancellationToken cancellation) =>
        throw NotYet();

    internal Task ReleaseAsync(RunWorkspace run, CancellationToken cancellation) => throw NotYet();

    private NotSupportedException NotYet() => new($"{options.MirrorsFolder} {git.ConfigFolder} {time.TimestampFrequency}");
}
