using Berth.Engine.Git;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>The artefacts of runs, for those who ask for them.</summary>
internal sealed class RunArtefacts(RunStore runs, RunDirectories directories, RepositoryWorkspaces workspaces)
{
    /// <summary>All of a run's.</summary>
    /// <param name="id">The run, by its whole id.</param>
    public IReadOnlyList<Artefact> List(string id) => Artefacts.List(directories.Of(id), runs.Find(id)!);

    /// <summary>Opens one, where it is a file; null for the patch, which has to be made.</summary>
    /// <exception cref="FailureException"><c>artifact_not_found</c>.</exception>
    public FileStream? Open(string id, string name) =>
        name is ArtefactName.Patch && runs.Find(id)!.Progress.Work is not null
            ? null
            : Artefacts.Open(directories.Of(id), id, name);

    /// <summary>Writes the patch.</summary>
    /// <exception cref="FailureException"><c>changes_gone</c>.</exception>
    public Task WritePatchAsync(string id, Stream output, CancellationToken cancel) =>
        RunDiff.WriteAsync(workspaces, runs.Find(id)!, new DiffOrder(DiffForm.Mails), output, cancel);

    /// <summary>Writes one.</summary>
    /// <exception cref="FailureException"><c>artifact_not_found</c>, <c>changes_gone</c>.</exception>
    public async Task WriteAsync(string id, string name, Stream output, CancellationToken cancel)
    {
        await using var file = Open(id, name);
        await (file?.CopyToAsync(output, cancel) ?? WritePatchAsync(id, output, cancel));
    }
}
