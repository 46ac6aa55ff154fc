using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Workspaces;

/// <summary>A <see cref="RunWorkspace"/> as the file <c>repository.json</c> of the run's directory.</summary>
internal sealed record StoredWorkspace(
    string RunId, bool IsPath, string Location, string Canonical, string Branch, string? BaseCommit)
{
    /// <summary>The mirror.</summary>
    public required string Mirror { get; init; }

    /// <summary>Whether the host is judged before each transfer.</summary>
    public bool IsGuarded { get; init; }

    internal static void Write(RunWorkspace run)
    {
        var stored = new StoredWorkspace(
            run.RunId, run.Source.Kind == RepositoryKind.Path, run.Source.Location, run.Source.Canonical, run.Branch,
                run.BaseCommit)
        {
            Mirror = run.Mirror,
            IsGuarded = run.Source.IsGuarded,
        };
        AtomicFile.Write(FileOf(
            run.RunDirectory), JsonSerializer.SerializeToUtf8Bytes(stored, WorkspaceJson.Default.StoredWorkspace));
    }

    internal static void Delete(RunDirectory directory) => File.Delete(FileOf(directory));

    internal static RunWorkspace? Read(RunDirectory directory)
    {
        if (!File.Exists(FileOf(directory)))
        {
            return null;
        }

        var stored = JsonSerializer.Deserialize(
            File.ReadAllBytes(FileOf(directory)), WorkspaceJson.Default.StoredWorkspace)!;
        var kind = stored.IsPath ? RepositoryKind.Path : RepositoryKind.Url;
        return new RunWorkspace
        {
            RunId = stored.RunId,
            Source = new RepositorySource(kind, stored.Location, stored.Canonical) { IsGuarded = stored.IsGuarded },
            Branch = stored.Branch,
            RunDirectory = directory,
            BaseCommit = stored.BaseCommit,
            Mirror = stored.Mirror,
        };
    }

    private static string FileOf(RunDirectory directory) => Path.Combine(directory.Root, "repository.json");
}

/// <summary>How the file is written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StoredWorkspace))]
internal sealed partial class WorkspaceJson : JsonSerializerContext;
