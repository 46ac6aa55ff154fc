using System.Diagnostics;
using Berth.Engine.Git;
using Berth.Engine.Processes;
using Berth.Engine.Workspaces;
using Berth.Protocol;

namespace Berth.Bench;

/// <summary>
/// A workspace of a repository with 100,000 files from a warm mirror, against plain <c>git clone --shared</c> with
/// checkout.
/// </summary>
internal static class LargeRepository
{
    private const int Files = 100_000;
    private const int FilesInFolder = 500;
    private const double MaxRatio = 1.1;

    public static async Task MeasureAsync(Ground ground, int runs, ReportTable table, CancellationToken cancel)
    {
        var repository = Path.Combine(ground.Folder, "large");
        await MakeAsync(ground, repository, cancel);
        var git = new GitProgram(
            new GitOptions { ConfigFolder = Path.Combine(ground.Folder, "git"), Environment = ground.Environment },
            new ProcessRunner(TimeProvider.System));
        var workspaces = new RepositoryWorkspaces(
            new WorkspaceOptions { MirrorsFolder = Path.Combine(ground.Folder, "mirrors") }, git, TimeProvider.System);
        await PrepareAsync(ground, workspaces, repository, "warm", cancel);
        var ratios = new List<double>();
        var ours = new List<double>();
        for (var i = 0; i < runs; i++)
        {
            // The second of a pair finds the disk as the first has left it, so each is the first every other time.
            var isFirst = i % 2 == 0;
            var before = isFirst ? await PrepareAsync(ground, workspaces, repository, $"ours{i}", cancel) : 0;
            var theirs = await CloneAsync(ground, repository, Path.Combine(ground.Folder, $"plain{i}"), cancel);
            ours.Add(isFirst ? before : await PrepareAsync(ground, workspaces, repository, $"ours{i}", cancel));
            ratios.Add(ours[^1] / theirs);
        }

        table.Tell("workspace of 100,000 files from a warm mirror", ReportTable.Median(ours), "ms");
        table.AtMost(
            "ratio to plain `git clone --shared` with checkout",
            ReportTable.Median(ratios),
            MaxRatio,
            string.Empty);
    }

    private static async Task<double> CloneAsync(
        Ground ground, string repository, string plain, CancellationToken cancel)
    {
        await SyncAsync(ground, cancel);
        var took = await ground.GitAsync(ground.Folder, cancel, "clone", "-q", "--shared", repository, plain);
        Directory.Delete(plain, recursive: true);
        return took;
    }

    // What one of the two has left for the disk to write is not the other's to wait for.
    private static async Task SyncAsync(Ground ground, CancellationToken cancel) =>
        await Ground.TimeAsync("/usr/bin/sync", [], ground.Environment, ground.Folder, cancel);

    private static async Task<double> PrepareAsync(
        Ground ground, RepositoryWorkspaces workspaces, string repository, string id, CancellationToken cancel)
    {
        var directory = new RunDirectory(Path.Combine(ground.Folder, "runs", id));
        Directory.CreateDirectory(directory.Root);
        await SyncAsync(ground, cancel);
        var started = Stopwatch.GetTimestamp();
        await workspaces.PrepareAsync(
            new WorkspaceRequest
            {
                RunId = id,
                Source = RepositorySource.Parse(repository, ground.Folder),
                Branch = $"berth/bench/{id}",
                RunDirectory = directory,
            },
            cancel);
        var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        Directory.Delete(directory.Root, recursive: true);
        return took;
    }

    private static async Task MakeAsync(Ground ground, string repository, CancellationToken cancel)
    {
        for (var i = 0; i < Files; i++)
        {
            var folder = Path.Combine(repository, $"d{i / FilesInFolder}");
            if (i % FilesInFolder == 0)
            {
                Directory.CreateDirectory(folder);
            }

            await File.WriteAllTextAsync(Path.Combine(folder, $"f{i}.txt"), $"This is file {i}.\n", cancel);
        }

        await ground.GitAsync(repository, cancel, "init", "-q", "-b", "main");
        await ground.GitAsync(repository, cancel, "add", "-A");
        await ground.GitAsync(repository, cancel, "commit", "-q", "-m", "Many files");

        // A mirror holds packs; so must what it is measured against.
        await ground.GitAsync(repository, cancel, "repack", "-a", "-d", "-q");
    }
}
