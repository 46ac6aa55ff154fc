using System.Globalization;

namespace Berth.Supervisor;

/// <summary>Finds files that belong to Git LFS and were committed whole. The sandbox has no git-lfs, so git takes such
/// a file as it takes any other, and whoever checks it out with git-lfs is told that it should have been a
/// pointer.</summary>
internal sealed class RawLfsFiles(CaptureGit git, CaptureFindings findings)
{
    private const int LongestPointer = 1024;
    private const int MaxSaid = 5;
    private const int MaxRead = 50;
    private const string PointerStart = "version https://git-lfs";

    private int read;

    /// <summary>Says which there are among the files that the run's commits change.</summary>
    internal void Say()
    {
        if (git.Step.BaseCommit is not { } start)
        {
            return;
        }

        var changed = Changed(start);
        var lfs = changed.Count == 0 ? [] : OfLfs(changed);
        var raw = lfs.Where(one => !IsPointer(one.Value)).Select(one => RawPath.Show(one.Key)).ToList();
        if (raw.Count > 0)
        {
            var more = raw.Count > MaxSaid
                ? $" and {(raw.Count - MaxSaid).ToString(CultureInfo.InvariantCulture)} more" : string.Empty;
            findings.Say(
                "Files of Git LFS were committed whole, not as pointers: "
                + $"{string.Join(", ", raw.Take(MaxSaid))}{more}. "
                + "`git lfs migrate import --no-rewrite FILE` on the branch makes pointers of them.");
        }
    }

    // The blob of each path.
    private Dictionary<string, string> Changed(string start)
    {
        var changed = new Dictionary<string, string>(StringComparer.Ordinal);
        string? entry = null;
        _ = git.Read(
            new GitRequest
            {
                Purpose = "list the changed files",
                Arguments = ["diff-tree", "-r", "-z", "--no-renames", "--diff-filter=AM", start, "HEAD"],
                OrBroken = true,
            },
            '\0',
            record =>
            {
                if (entry?.Split(' ') is [_, _, _, var blob, _])
                {
                    changed[record] = blob;
                    entry = null;
                }
                else
                {
                    entry = record;
                }
            });
        return changed;
    }

    private Dictionary<string, string> OfLfs(Dictionary<string, string> changed)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        var parts = new List<string>();
        _ = git.Read(
            new GitRequest
            {
                Purpose = "read the attributes", Arguments = ["check-attr", "-z", "--stdin", "filter"],
                Input = RawPath.Records([.. changed.Keys]), OrBroken = true,
            },
            '\0',
            record =>
            {
                parts.Add(record);
                if (parts is [var path, _, var value])
                {
                    if (value is "lfs" && changed.TryGetValue(path, out var blob))
                    {
                        found[path] = blob;
                    }

                    parts.Clear();
                }
            });
        return found;
    }

    private bool IsPointer(string blob)
    {
        var size = git.Run(new GitRequest
        {
            Purpose = "look at a file of Git LFS", Arguments = ["cat-file", "-s", blob], OrBroken = true,
        }).Output.Trim();
        if (++read > MaxRead || !int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes))
        {
            return read > MaxRead;
        }

        return bytes <= LongestPointer && git.Run(new GitRequest
        {
            Purpose = "look at a file of Git LFS", Arguments = ["cat-file", "blob", blob], OrBroken = true,
        }).Output.StartsWith(PointerStart, StringComparison.Ordinal);
    }
}
