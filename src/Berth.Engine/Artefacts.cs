using System.Text;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>What there is of a run to be looked at and downloaded: the files that the agent left for it, the
/// conversation, the transcript and the changes.</summary>
internal static class Artefacts
{
    /// <summary>The name that the files have while they are being removed: half of them are nobody's.</summary>
    public const string GoneName = RunDirectory.ArtifactsName + ".old";

    /// <summary>All of a run's, the agent's own files last, by name.</summary>
    /// <param name="directory">The run's directory.</param>
    /// <param name="run">The run.</param>
    public static IReadOnlyList<Artefact> List(RunDirectory directory, RunRecord run) =>
    [
        .. OfFile(ArtefactName.Conversation, Conversations.Of(directory)),
        .. OfFile(ArtefactName.Transcript, directory.JournalFile),
        .. run.Progress.Work is null ? Array.Empty<Artefact>() : [new Artefact(ArtefactName.Patch, null, null)],
        .. FilesOf(directory),
    ];

    /// <summary>Opens one to be read, as it is now; not the patch, which has to be made.</summary>
    /// <exception cref="FailureException"><c>artifact_not_found</c>.</exception>
    public static FileStream Open(RunDirectory directory, string runId, string name)
    {
        var opened = name switch
        {
            ArtefactName.Conversation => OpenIn(directory.Root, [Path.GetFileName(Conversations.FileOf(directory))]),
            ArtefactName.Transcript => OpenIn(directory.Root, [Path.GetFileName(directory.JournalFile)]),
            _ when name.StartsWith(ArtefactName.FilesPrefix, StringComparison.Ordinal)
                && name[ArtefactName.FilesPrefix.Length..] is var path && ArtefactName.IsPath(path) =>
                OpenIn(directory.Root, [RunDirectory.ArtifactsName, .. path.Split('/')]),
            _ => null,
        };
        return opened ?? throw new FailureException(
            "artifact_not_found",
            $"The run {runId} has no artefact '{name}'.",
            $"berth artifacts {RunId.Short(runId)} lists those that it has. They are removed by age.",
            Fault.User);
    }

    /// <summary>What is kept of a run for longer than it is to be, conversation and files.</summary>
    public static IReadOnlyList<string> ExpiredOf(RunDirectory directory, DateTimeOffset now, TimeSpan lifetime) =>
    [
        .. from path in AllOf(directory)
           where now.UtcDateTime - File.GetLastWriteTimeUtc(path) > lifetime
           select path,
    ];

    /// <summary>What is kept of a run beside its record and its transcript.</summary>
    public static IReadOnlyList<string> AllOf(RunDirectory directory) =>
    [
        .. Conversations.Of(directory) is { } conversation ? [conversation] : Array.Empty<string>(),
        .. Directory.Exists(directory.ArtifactsFolder) ? [directory.ArtifactsFolder] : Array.Empty<string>(),
    ];

    private static IEnumerable<Artefact> OfFile(string name, string? path) =>
        path is not null && new FileInfo(path) is { Exists: true } file
            ? [new Artefact(name, file.Length, new DateTimeOffset(file.LastWriteTimeUtc))]
            : [];

    private static IReadOnlyList<Artefact> FilesOf(RunDirectory directory)
    {
        var everything = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.ReparsePoint,
            MaxRecursionDepth = ArtefactName.MostParts,
        };
        var folder = new DirectoryInfo(directory.ArtifactsFolder);
        try
        {
            return
            [
                .. folder.EnumerateFiles("*", everything).Take(ArtefactHarvest.MostFiles)
                    .Select(file => new Artefact(
                        ArtefactName.FilesPrefix + Path.GetRelativePath(folder.FullName, file.FullName),
                        file.Length,
                        new DateTimeOffset(file.LastWriteTimeUtc)))
                    .OrderBy(file => file.Name, StringComparer.Ordinal),
            ];
        }
        catch (IOException) when (!Directory.Exists(folder.FullName))
        {
            // There are none, or they have just been removed.
            return [];
        }
    }

    // Step by step, each from the folder before and never through a link.
    private static FileStream? OpenIn(string root, IReadOnlyList<string> parts)
    {
        var folder = OpenFolder.Open(root);
        foreach (var part in parts.SkipLast(1))
        {
            OpenFolder? inner = null;
            using (folder)
            {
                folder?.Enter(Encoding.UTF8.GetBytes(part), out inner);
            }

            folder = inner;
        }

        using (folder)
        {
            return folder?.OpenFile(Encoding.UTF8.GetBytes(parts[^1])) is { } file
                ? new FileStream(file, FileAccess.Read, bufferSize: 0)
                : null;
        }
    }
}
