using System.Text;

namespace Berth.Supervisor;

/// <summary>Takes back what git would change although nobody has: files whose line ends, for example, are not as
/// .gitattributes wants them, and that are as the commit's own checkout has them.</summary>
/// <remarks>
/// What was dirty before the agent began is not its work. Such a file is known by checking the commit out once more,
/// aside: it is the same there byte for byte. Only files that git would change at all are looked at, and only where an
/// attribute speaks of one.
/// </remarks>
internal sealed class UntouchedFiles(CaptureGit git, WorkTree tree)
{
    private const string GitLink = "160000";

    private readonly HashSet<string> paths = new(StringComparer.Ordinal);
    private readonly HashSet<string> unused = new(StringComparer.Ordinal);

    /// <summary>The files that were taken back.</summary>
    internal IReadOnlySet<string> Paths => paths;

    /// <summary>The objects that staging made of them: nothing of the agent's.</summary>
    internal IReadOnlyCollection<string> Unused => unused;

    /// <summary>Does it, in what is staged.</summary>
    internal void TakeBack()
    {
        var changed = Changed();
        if (changed.Count == 0 || !HasConversions(changed))
        {
            return;
        }

        var copies = CheckOutAside(changed);
        var both = changed.Where(one => copies.ContainsKey(one.Path)).ToList();
        var now = Hashes([.. both.Select(one => one.Path)]);
        var before = Hashes([.. both.Select(one => copies[one.Path])]);
        RemoveCopies(copies.Values);
        if (now.Count != both.Count || before.Count != both.Count)
        {
            // One of them cannot be read, and is staged as it was.
            return;
        }

        var same = both.Where((_, at) => string.Equals(now[at], before[at], StringComparison.Ordinal)).ToList();
        if (same.Count > 0)
        {
            _ = git.Run(tree.Request("take back what only git changed", ["update-index", "-z", "--index-info"]) with
            {
                Input = Entries(same),
            });
        }

        paths.UnionWith(same.Select(one => one.Path));
        unused.UnionWith(same.Select(one => one.Made));
    }

    private List<ChangedEntry> Changed()
    {
        var changed = new List<ChangedEntry>();
        string? entry = null;
        var diff = git.Read(
            tree.Request(
                "look for files that only git would change",
                ["diff-index", "--cached", "--no-renames", "--diff-filter=M", "-z", "HEAD", "--"]) with
            {
                OrBroken = true,
            },
            '\0',
            record =>
            {
                if (entry is null)
                {
                    entry = record;
                    return;
                }

                // :<mode> <mode> <object> <object> M
                if (entry.Split(' ') is [[':', .. var mode], _, var blob, var made, _] && mode is not GitLink)
                {
                    changed.Add(new ChangedEntry(mode, blob, made, record));
                }

                entry = null;
            });
        return diff.Code == 0 ? changed : [];
    }

    // Which file the copy of a path is.
    private Dictionary<string, string> CheckOutAside(List<ChangedEntry> changed)
    {
        var aside = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["GIT_INDEX_FILE"] = $"{git.Step.Bundle}.index",
        };
        _ = git.Run(tree.Request("list the untouched files", ["update-index", "-z", "--index-info"]) with
        {
            Input = Entries(changed), Variables = aside,
        });
        var copies = new Dictionary<string, string>(StringComparer.Ordinal);
        _ = git.Read(
            tree.Request("write the untouched files", ["checkout-index", "--temp", "-z", "--stdin"]) with
            {
                Input = RawPath.Records([.. changed.Select(one => one.Path)]), Variables = aside, OrBroken = true,
            },
            '\0',
            record =>
            {
                if (record.Split('\t', 2) is [var copy, var path])
                {
                    copies[path] = copy;
                }
            });
        return copies;
    }

    private bool HasConversions(List<ChangedEntry> changed)
    {
        var has = false;
        var part = 0;
        _ = git.Read(
            tree.Request(
                "read the attributes",
                ["check-attr", "-z", "--stdin", "text", "eol", "ident", "filter", "working-tree-encoding"]) with
            {
                Input = RawPath.Records([.. changed.Select(one => one.Path)]),
            },
            '\0',
            record => has |= part++ % 3 == 2 && record is not "unspecified");
        return has;
    }

    private List<string> Hashes(List<string> paths)
    {
        var hashes = new List<string>();
        if (paths.Count > 0)
        {
            var quoted = paths.Select(path => path.AsSpan().IndexOfAny("\n\"\\") < 0 ? path : Quoted(path));
            _ = git.Read(
                tree.Request("compare the untouched files", ["hash-object", "--no-filters", "--stdin-paths"]) with
                {
                    Input = RawPath.ToBytes(string.Join('\n', quoted) + "\n"), OrBroken = true,
                },
                '\n',
                hashes.Add);
        }

        return hashes;
    }

    private void RemoveCopies(IEnumerable<string> copies)
    {
        foreach (var copy in copies.Where(copy => copy.StartsWith(".merge_file_", StringComparison.Ordinal)
            && !copy.Contains('/', StringComparison.Ordinal)))
        {
            if (tree.Outside is { } folder)
            {
                File.Delete(Path.Combine(folder, copy));
            }
        }
    }

    // As git's C-style quoting has it.
    private static string Quoted(string path)
    {
        var text = new StringBuilder("\"");
        foreach (var letter in path)
        {
            _ = letter switch
            {
                '\n' => text.Append("\\n"),
                '"' or '\\' => text.Append('\\').Append(letter),
                _ => text.Append(letter),
            };
        }

        return text.Append('"').ToString();
    }

    private static byte[] Entries(IEnumerable<ChangedEntry> entries) =>
        RawPath.Records([.. entries.Select(one => $"{one.Mode} {one.Blob} 0\t{one.Path}")]);

    /// <summary>A file that is staged otherwise than HEAD has it.</summary>
    private sealed record ChangedEntry(string Mode, string Blob, string Made, string Path);
}
