using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>How much of what an ended run has is removed.</summary>
internal enum CleanupExtent
{
    /// <summary>Workspace, repository and leaks; artefacts and the conversation only past their lifetime.</summary>
    Usual,

    /// <summary>Those whatever their age.</summary>
    WithArtefacts,

    /// <summary>Only artefacts and conversations past their lifetime.</summary>
    Expired,
}

/// <summary>What a run has in its directory that clean-up removes. One code says it and removes it.</summary>
internal sealed class RunLeavings(
    RunDirectories directories, RetentionOptions retention, TimeProvider time, CleanupExtent extent)
{
    private const string RepositoryLock = "repository.lock";

    /// <summary>The entries of a run's directory that go, those that are there.</summary>
    public IReadOnlyList<string> NamesOf(string id)
    {
        var directory = directories.Of(id);
        var kept = extent == CleanupExtent.WithArtefacts
            ? Artefacts.AllOf(directory)
            : Artefacts.ExpiredOf(directory, time.GetUtcNow(), retention.ArtefactLifetime);
        var own = extent == CleanupExtent.Expired ? [] : RepositoryWorkspaces.OwnOf(directory);
        IEnumerable<string> usual = extent == CleanupExtent.Expired ? [] :
        [
            .. OwnedExecutions.Removable(directory, keepWorkspace: false),
            .. own.Select(path => Path.GetFileName(path)),
            .. own.Count > 0 ? [RepositoryLock] : Array.Empty<string>(),
            .. directories.KeptSecrets(id).Select(path => Path.GetFileName(path)),
        ];
        return
        [
            .. usual.Concat(ArtefactHarvest.Leftovers).Where(name => Path.Exists(Path.Combine(directory.Root, name))),
            .. Directory.Exists(directory.Root)
                ? Directory.EnumerateDirectories(directory.Root, SafeDeletion.DeepPrefix + "*")
                    .Select(path => Path.GetFileName(path))
                : [],
            .. kept.Select(path => Path.GetFileName(path)),
        ];
    }

    /// <summary>Removes what is the engine's own among them; the rest is the executor's to remove.</summary>
    /// <returns>What could not be removed.</returns>
    public IReadOnlyList<string> RemoveOwn(string id, IReadOnlyList<string> names)
    {
        var directory = directories.Of(id);
        var left = new List<string>();
        if (extent != CleanupExtent.Expired)
        {
            left.AddRange(RepositoryWorkspaces.RemoveOwn(directory));
            directories.ForgetSecrets(id);
        }

        // Nobody is to see a part of them, nor to take what is left after a crash for young.
        var kept = names.Contains(RunDirectory.ArtifactsName, StringComparer.Ordinal);
        if (kept && !Directory.Exists(Path.Combine(directory.Root, Artefacts.GoneName)))
        {
            Directory.Move(directory.ArtifactsFolder, Path.Combine(directory.Root, Artefacts.GoneName));
        }

        left.AddRange(SafeDeletion.Remove(
            directory.Root,
            [.. names.Where(Conversations.IsName), .. kept ? [RunDirectory.ArtifactsName] : Array.Empty<string>(),
                .. ArtefactHarvest.Leftovers],
            CancellationToken.None));
        return left;
    }
}
