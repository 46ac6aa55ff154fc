using System.Text.RegularExpressions;
using Berth.Engine.Git;

namespace Berth.Engine.Workspaces;

/// <summary>Makes a damaged mirror whole again, in its place, while runs go on borrowing from it.</summary>
/// <remarks>
/// (1) What killed writers left is removed. (2) The repository is fetched anew, aside, with nothing taken from the
/// damaged one.
/// (3) Packs that git finds damaged are moved away. (4) The new packs are moved in: git reads an object from any pack
/// that has it whole,
/// so this cures live runs too. (5) Refs whose history is still incomplete are removed: fetches would rely on them.
/// </remarks>
internal sealed partial class MirrorHealing(
    Mirror mirror, RepositorySource source, WorkspaceOptions options, GitProgram git)
{
    private const int MaxRefs = 10_000;
    private static readonly string[] FrameFolders = ["objects/pack", "objects/info", "refs"];
    private static readonly string[] FrameFiles = ["HEAD", "config", "shallow"];
    private static readonly string[] Caches = ["multi-pack-index", "commit-graph", "commit-graphs"];

    internal async Task HealAsync(MirrorWant want, MirrorLock held, CancellationToken cancellation)
    {
        RemoveLeftovers();
        var aside = await FetchAnewAsync(want, Mirror.FormatOf(want), held, cancellation).ConfigureAwait(false);
        try
        {
            RepairFrame(aside);
            await MoveDamagedPacksAsync(aside, cancellation).ConfigureAwait(false);
            MovePacksIn(aside);
            await git.RemoveLooseDuplicatesAsync(mirror.Path, options.WorkTimeout, cancellation).ConfigureAwait(false);
            await RemoveBrokenRefsAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            Directory.Delete(aside, recursive: true);
        }
    }

    private async Task<string> FetchAnewAsync(
        MirrorWant want, string format, MirrorLock held, CancellationToken cancellation)
    {
        var aside = await mirror.MakeAsideAsync(format, cancellation).ConfigureAwait(false);
        var (failed, _) = await mirror.FetchAsync(aside, want, held, cancellation).ConfigureAwait(false);
        failed ??= await mirror.FetchBranchesAndTagsAsync(aside, held, cancellation).ConfigureAwait(false);
        if (failed.Succeeded)
        {
            return aside;
        }

        Directory.Delete(aside, recursive: true);
        return failed.Problem == GitProblem.ObjectFormat && format is "sha1"
            ? await FetchAnewAsync(want, "sha256", held, cancellation).ConfigureAwait(false)
            : throw GitFailures.OfSource(source, $"Fetching {source.Location} anew for its damaged mirror", failed);
    }

    /// <summary>Removes what killed writers and power cuts leave. Only for who has the mirror alone.</summary>
    internal void RemoveLeftovers()
    {
        foreach (var file in Files("*.lock").Concat(Files("tmp_*")))
        {
            file.Delete();
        }

        foreach (var folder in Folders("incoming-*").Concat(Folders("tmp_objdir-*")))
        {
            folder.Delete(recursive: true);
        }

        foreach (var file in Files("*").Where(IsUnreadable))
        {
            file.Delete();
        }
    }

    // A power cut leaves files empty or full of zeros.
    private bool IsUnreadable(FileInfo file)
    {
        var inside = Path.GetRelativePath(mirror.Path, file.FullName);
        return (inside.StartsWith("objects/", StringComparison.Ordinal) && file.Length == 0)
            || Caches.Any(cache => inside.Contains($"/{cache}", StringComparison.Ordinal))
            || (inside.StartsWith("refs/", StringComparison.Ordinal)
                && (file.Length > 100 || !ObjectId().IsMatch(File.ReadAllText(file.FullName))));
    }

    private void RepairFrame(string aside)
    {
        foreach (var folder in FrameFolders)
        {
            Directory.CreateDirectory(Path.Combine(mirror.Path, folder));
        }

        File.Delete(Path.Combine(mirror.Path, "shallow"));
        foreach (var name in FrameFiles.Where(name => File.Exists(Path.Combine(aside, name))))
        {
            File.Copy(Path.Combine(aside, name), Path.Combine(mirror.Path, name), overwrite: true);
        }
    }

    private async Task MoveDamagedPacksAsync(string aside, CancellationToken cancellation)
    {
        var away = Directory.CreateDirectory(Path.Combine(aside, "damaged")).FullName;
        foreach (var file in Files("pack-*").Where(file => file.Extension is ".pack" or ".idx"))
        {
            var pack = file.FullName;
            var index = Path.ChangeExtension(pack, ".idx");
            if (!File.Exists(pack)
                || (File.Exists(index) && File.Exists(Path.ChangeExtension(pack, ".pack"))
                    && (string.Equals(pack, index, StringComparison.Ordinal) || (await git.VerifyPackAsync(
                        index, options.WorkTimeout, cancellation).ConfigureAwait(false)).Succeeded)))
            {
                continue;
            }

            foreach (var part in Directory.GetFiles(
                Path.GetDirectoryName(pack)!, Path.GetFileNameWithoutExtension(pack) + ".*"))
            {
                File.Move(part, Path.Combine(away, Path.GetFileName(part)), overwrite: true);
            }
        }
    }

    // The index comes last: git knows a pack by it.
    private void MovePacksIn(string aside)
    {
        var from = Path.Combine(aside, "objects", "pack");
        foreach (var file in Directory.GetFiles(from).OrderBy(file => file.EndsWith(".idx", StringComparison.Ordinal)))
        {
            var to = Path.Combine(mirror.Objects, "pack", Path.GetFileName(file));
            if (!File.Exists(to))
            {
                File.Move(file, to);
            }
        }
    }

    private async Task RemoveBrokenRefsAsync(CancellationToken cancellation)
    {
        var listed = await git.ListRefsAsync(
            GitRepository.Ours(mirror.Path), ["refs/"], MaxRefs, cancellation).ConfigureAwait(false);
        if (!listed.Succeeded)
        {
            File.Delete(Path.Combine(mirror.Path, "packed-refs"));
            return;
        }

        var refs = listed.Text.Split(
            '\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 2)).ToList();
        if ((await ConnectedAsync(refs.Select(entry => entry[0]), cancellation).ConfigureAwait(false)).Succeeded)
        {
            return;
        }

        var broken = new List<string>();
        foreach (var entry in refs)
        {
            if (!(await ConnectedAsync([entry[0]], cancellation).ConfigureAwait(false)).Succeeded)
            {
                broken.Add(entry[1]);
            }
        }

        await git.DeleteRefsAsync(mirror.Path, broken, cancellation).ConfigureAwait(false);
    }

    private Task<GitResult> ConnectedAsync(IEnumerable<string> commits, CancellationToken cancellation) =>
        git.CheckConnectedAsync(mirror.Path, commits, options.WorkTimeout, cancellation);

    private List<FileInfo> Files(string pattern) =>
        [.. new DirectoryInfo(mirror.Path).EnumerateFiles(pattern, Everywhere)];

    private List<DirectoryInfo> Folders(string pattern) =>
        [.. new DirectoryInfo(mirror.Path).EnumerateDirectories(pattern, Everywhere)];

    private static readonly EnumerationOptions Everywhere = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint,
        MatchType = MatchType.Simple,
    };

    [GeneratedRegex("^([0-9a-f]{40}|[0-9a-f]{64})\n?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000)]
    private static partial Regex ObjectId();
}
