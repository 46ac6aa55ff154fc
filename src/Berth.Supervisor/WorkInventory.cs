using System.Globalization;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>What else of the agent's is in the repository than the work at HEAD: other branches, tags, stashes, and
/// objects that no name leads to. Each gets a name by which it is taken out, or keeps the workspace.</summary>
/// <remarks>
/// The workspace began with one branch and no object of its own, so whatever is in its store is the agent's. What the
/// mirror has as well is not lost with the workspace.
/// </remarks>
internal sealed class WorkInventory(CaptureGit git, GitFolderLook look, CaptureFindings findings)
{
    private const int MaxRefs = 500;
    private const int MaxStashes = 20;
    private const int MaxStray = 20_000;
    private const long MaxStrayBytes = 256L * 1024 * 1024;
    private const long MaxOddBytes = 1024 * 1024;

    // A folder and a file with nothing in them, in either hash: git makes the folder itself.
    private static readonly string[] Empty =
    [
        "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    ];

    private readonly Dictionary<string, string> names = new(StringComparer.Ordinal);
    private HashSet<string> atHead = [];
    private HashSet<string> taken = [];

    /// <summary>What is to be in the bundle beside HEAD: names below <see cref="WorkRefs.Prefix"/>, and what they lead
    /// to.</summary>
    internal IReadOnlyDictionary<string, string> Names => names;

    /// <summary>The commit at HEAD where it is new, else null.</summary>
    internal required string? Head { get; init; }

    /// <summary>Whether HEAD's branch is known to be the only name.</summary>
    internal bool IsAlone { get; init; }

    /// <summary>Finds it, and gives it names.</summary>
    /// <param name="worktrees">The worktrees whose heads count too.</param>
    /// <param name="ours">Objects that capture itself made and has no use for.</param>
    internal void Take(IEnumerable<LinkedWorktree> worktrees, IReadOnlyCollection<string> ours)
    {
        var refs = IsAlone ? [] : Refs();
        var heads = worktrees.Select(tree => (tree.Id, Commit: HeadOf(tree.Id))).Where(head => head.Commit is not null)
            .ToList();
        var stashes = refs.Exists(one => one.Name is "refs/stash") ? Stashes() : [];
        if (heads.Count > 0 || refs.Exists(one => !IsKnown(one.Commit)))
        {
            atHead = Reachable(["HEAD"], objects: false);
        }

        IEnumerable<string> tips =
            [.. refs.Select(one => one.Id), .. heads.Select(head => head.Commit!), .. stashes];
        taken = Reachable(["HEAD", .. tips], objects: true);
        foreach (var one in refs)
        {
            TakeRef(one);
        }

        foreach (var (stash, number) in stashes.Skip(1).Select((stash, at) => (stash, at + 1)))
        {
            Add("heads", string.Create(CultureInfo.InvariantCulture, $"stash-{number}"), stash);
        }

        foreach (var (id, commit) in heads.Where(head => IsNew(head.Commit!) && !names.ContainsValue(head.Commit!)))
        {
            Add("heads", $"worktree-{id}", commit!);
        }

        TakeStray(ours);
    }

    /// <summary>Makes the names in the workspace, for the bundle.</summary>
    internal void MakeRefs()
    {
        if (names.Count > 0)
        {
            var lines = names.Select(one => $"update {one.Key}\0{one.Value}\0\0");
            _ = git.Run(new GitRequest
            {
                Purpose = "name what is taken", Arguments = ["update-ref", "--no-deref", "--stdin", "-z"],
                Input = RawPath.ToBytes(string.Concat(lines)),
            });
        }
    }

    private List<FoundRef> Refs()
    {
        var refs = new List<FoundRef>();
        var listed = git.Read(
            new GitRequest
            {
                Purpose = "list the branches",
                Arguments =
                [
                    "for-each-ref", "--count=" + Number(MaxRefs + 1),
                    "--format=%(objectname) %(objecttype) %(*objectname) %(refname)",
                ],
            },
            '\n',
            record =>
            {
                if (record.Split(' ', 4) is [var id, var type, var peeled, var name]
                    && !name.StartsWith(WorkRefs.Prefix, StringComparison.Ordinal))
                {
                    refs.Add(new FoundRef(name, id, type, peeled.Length > 0 ? peeled : id));
                }
            });
        if (listed.Error.Length > 0)
        {
            findings.Keep($"git said of the branches: {git.Short(listed.Error)}");
        }

        if (refs.Count > MaxRefs)
        {
            findings.Keep($"more than {MaxRefs} branches and tags");
            refs.RemoveRange(MaxRefs, refs.Count - MaxRefs);
        }

        return refs;
    }

    private List<string> Stashes()
    {
        var stashes = new List<string>();
        _ = git.Read(
            new GitRequest
            {
                Purpose = "list the stashes",
                Arguments =
                [
                    "log", "-g", "--format=%H", "--max-count=" + Number(MaxStashes), "refs/stash", "--",
                ],
                OrBroken = true,
            },
            '\n',
            stashes.Add);
        return stashes;
    }

    private string? HeadOf(string id)
    {
        var head = git.Run(new GitRequest
        {
            Purpose = "find the head of a worktree", Arguments = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
            GitFolder = $"{git.Step.Workspace}/.git/worktrees/{RawPath.ToText(id)}", OrBroken = true,
        });
        return head.Code == 0 ? head.Output.Trim() : null;
    }

    private void TakeRef(FoundRef found)
    {
        var (name, id, type, commit) = found;
        var isBranch = name.StartsWith("refs/heads/", StringComparison.Ordinal);
        var isTag = name.StartsWith("refs/tags/", StringComparison.Ordinal);
        if (type is not ("commit" or "tag"))
        {
            // A name for a file or a folder: the object is found below, among those without a usable name.
            taken.Remove(id);
            return;
        }

        if (isTag && (type is "tag" || IsNew(commit) || IsAtHead(commit)))
        {
            Add("tags", name["refs/tags/".Length..], id);
        }
        else if (isTag)
        {
            findings.Say($"The agent made the tag {RawPath.Show(name["refs/tags/".Length..])} at {commit}.");
        }
        else if (IsNew(commit))
        {
            Add("heads", isBranch ? name["refs/heads/".Length..] : name["refs/".Length..], commit);
        }
    }

    // Not the base's, and not HEAD's.
    private bool IsNew(string commit) => taken.Contains(commit) && !IsAtHead(commit);

    private bool IsAtHead(string commit) =>
        atHead.Contains(commit) || string.Equals(commit, Head, StringComparison.Ordinal);

    private bool IsKnown(string commit) => string.Equals(commit, Head, StringComparison.Ordinal)
        || string.Equals(commit, git.Step.BaseCommit, StringComparison.Ordinal);

    private void Add(string kind, string name, string id)
    {
        if (names.Count >= WorkRefs.Max - 1)
        {
            findings.Keep($"{RawPath.Show(name)}, one of more than {WorkRefs.Max} branches and tags");
            return;
        }

        var plain = WorkRefs.Plain(name);
        var free = plain;
        for (var number = 2; names.ContainsKey($"{WorkRefs.Prefix}{kind}/{free}"); number++)
        {
            free = string.Create(CultureInfo.InvariantCulture, $"{plain}-{number}");
        }

        names.Add($"{WorkRefs.Prefix}{kind}/{free}", id);
    }

    private HashSet<string> Reachable(IEnumerable<string> tips, bool objects)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        var lines = tips.Where(tip => tip is "HEAD" ? Head is not null
            : !string.Equals(tip, git.Step.BaseCommit, StringComparison.Ordinal)).ToList();
        if (lines.Count == 0)
        {
            return found;
        }

        string[] excluded = git.Step.BaseCommit is { } start ? [$"^{start}"] : [];
        _ = git.Read(
            new GitRequest
            {
                Purpose = "list what is new",
                Arguments = ["rev-list", .. objects ? ["--objects", "--no-object-names"] : (string[])[], "--stdin"],
                Input = RawPath.ToBytes(string.Concat(lines.Concat(excluded).Select(line => line + "\n"))),
            },
            '\n',
            id => found.Add(id));
        return found;
    }

    // Commits that were amended, reset or rebased away, and files that were staged once.
    private void TakeStray(IReadOnlyCollection<string> ours)
    {
        var stray = look.Objects();
        stray.ExceptWith(taken);
        stray.ExceptWith(ours);
        stray.ExceptWith(Empty);
        var odd = look.OddFiles();
        if (odd.Count > 0 && odd.Sum(file => (double)file.Bytes) > MaxOddBytes)
        {
            findings.Keep($"files in .git: {string.Join(", ", odd.Take(5).Select(file => RawPath.Show(file.Path)))}");
            odd = [];
        }

        if (stray.Count > 0 && git.Step.BorrowedObjects is { } mirror)
        {
            stray = MissingFrom(mirror, stray);
        }

        if (stray.Count == 0 && odd.Count == 0)
        {
            return;
        }

        if (stray.Count > MaxStray)
        {
            findings.Keep($"{stray.Count} objects in .git that no branch leads to");
            return;
        }

        try
        {
            var kinds = KindsOf(stray);
            if (kinds.Sum(one => one.Bytes) > MaxStrayBytes)
            {
                findings.Keep("large files in .git that were staged once and that no branch leads to");
                return;
            }

            foreach (var tag in kinds.Where(one => one.Kind is "tag"))
            {
                Add("tags", $"lost-{tag.Id}", tag.Id);
            }

            Add("leftovers", "leftovers", new Leftovers(git, kinds, odd).Make());
        }
        catch (FailureException failed) when (!git.IsOver)
        {
            findings.Keep($"what no branch in .git leads to ({failed.Failure.Message})");
        }
    }

    private HashSet<string> MissingFrom(string objects, HashSet<string> ids)
    {
        var missing = new HashSet<string>(StringComparer.Ordinal);
        var looked = git.Read(
            new GitRequest
            {
                Purpose = "compare with the mirror", Arguments = ["cat-file", "--batch-check=%(objectname)"],
                Input = Lines(ids), OrBroken = true,
                Variables = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["GIT_OBJECT_DIRECTORY"] = objects,
                },
            },
            '\n',
            line =>
            {
                if (line.Split(' ') is [var id, "missing"])
                {
                    missing.Add(id);
                }
            });
        return looked.Code == 0 ? missing : ids;
    }

    private List<StrayObject> KindsOf(HashSet<string> ids)
    {
        var kinds = new List<StrayObject>();
        _ = git.Read(
            new GitRequest
            {
                Purpose = "look at objects that no branch leads to",
                Arguments = ["cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)"], Input = Lines(ids),
            },
            '\n',
            line =>
            {
                if (line.Split(' ') is [var id, var kind, var size]
                    && long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var bytes))
                {
                    kinds.Add(new StrayObject(id, kind, bytes));
                }
            });
        return kinds;
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static byte[] Lines(IEnumerable<string> lines) =>
        RawPath.ToBytes(string.Concat(lines.Select(line => line + "\n")));

    private sealed record FoundRef(string Name, string Id, string Type, string Commit);
}
