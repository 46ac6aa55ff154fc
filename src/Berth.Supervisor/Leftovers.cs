using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>An object that no name leads to.</summary>
internal sealed record StrayObject(string Id, string Kind, long Bytes);

/// <summary>Makes one commit from which everything can be reached that no branch leads to.</summary>
/// <remarks>Its parents are the commits; in its tree are the folders and files of none of them, under their ids, and
/// below <c>git/</c> the files that the agent put into <c>.git</c>.</remarks>
internal sealed class Leftovers(CaptureGit git, IReadOnlyList<StrayObject> stray, IReadOnlyList<OddFile> odd)
{
    private const int MaxParents = 500;
    private const int MaxSearchedTrees = 50;

    internal string Make()
    {
        var commits = stray.Where(one => one.Kind is "commit").Select(one => one.Id).ToList();
        var (heads, reached) = commits.Count == 0 ? ([], []) : Heads(commits);
        if (heads.Count > MaxParents)
        {
            throw new FailureException(
                "capture_git_failed", $"{heads.Count} commits that no branch leads to are too many for one.",
                "The workspace is kept.", Fault.Agent);
        }

        var trees = stray.Where(one => one.Kind is "tree" && !reached.Contains(one.Id)).Select(one => one.Id).ToList();
        var inTrees = trees.Count > MaxSearchedTrees ? [] : Below(trees);
        var roots = trees.Where(tree => !inTrees.Contains(tree)).ToList();
        var blobs = stray.Where(one => one.Kind is "blob" && !reached.Contains(one.Id) && !inTrees.Contains(one.Id));
        List<string> entries =
        [
            .. roots.Select(id => $"040000 tree {id}\tfolder-{id}"),
            .. blobs.Select(one => $"100644 blob {one.Id}\tfile-{one.Id}"),
            .. OddEntries(),
        ];
        var tree = git.Run(new GitRequest
        {
            Purpose = "gather what no branch leads to", Arguments = ["mktree", "-z"],
            Input = RawPath.ToBytes(string.Concat(entries.Select(entry => entry + '\0'))),
        }).Output.Trim();
        return git.Run(new GitRequest
        {
            Purpose = "gather what no branch leads to",
            Arguments =
            [
                "commit-tree", tree, .. heads.SelectMany(head => new[] { "-p", head }),
                "-m", "What the agent left that no branch leads to",
                "-m", "Parents: commits that were amended, reset or rebased away. "
                    + "Files: what was staged once, and what was put into .git.",
            ],
        }).Output.Trim();
    }

    // The commits that are no other one's parent, and everything that they lead to.
    private (List<string> Heads, HashSet<string> Reached) Heads(List<string> commits)
    {
        var parents = new HashSet<string>(StringComparer.Ordinal);
        _ = Listed(["rev-list", "--no-walk=unsorted", "--parents", "--stdin"], commits, line =>
            parents.UnionWith(line.Split(' ').Skip(1)));
        var reached = new HashSet<string>(StringComparer.Ordinal);
        string[] excluded = git.Step.BaseCommit is { } start ? [$"^{start}"] : [];
        _ = Listed(
            ["rev-list", "--objects", "--no-object-names", "--stdin"], [.. commits, .. excluded],
            line => reached.Add(line));
        return ([.. commits.Where(commit => !parents.Contains(commit))], reached);
    }

    private HashSet<string> Below(List<string> trees)
    {
        var below = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tree in trees)
        {
            _ = git.Read(
                new GitRequest
                {
                    Purpose = "list a folder that no commit has",
                    Arguments = ["ls-tree", "-r", "-t", "-z", tree],
                    OrBroken = true,
                },
                '\0',
                line =>
                {
                    if (line.Split('\t', 2)[0].Split(' ') is [_, _, var id])
                    {
                        below.Add(id);
                    }
                });
        }

        return below;
    }

    private List<string> OddEntries()
    {
        if (odd.Count == 0)
        {
            return [];
        }

        var ids = new List<string>();
        var plain = odd.Where(file => !file.Path.Contains('\n', StringComparison.Ordinal)).ToList();
        _ = Listed(
            ["hash-object", "-w", "--no-filters", "--stdin-paths"],
            [.. plain.Select(file => $"{git.Step.Workspace}/.git/{file.Path}")], ids.Add);
        return [.. plain.Zip(ids, (file, id) =>
            $"100644 blob {id}\tgit-{file.Path.Replace('/', '+')}")];
    }

    private CommandResult Listed(IReadOnlyList<string> arguments, IReadOnlyList<string> input, Action<string> line) =>
        git.Read(
            new GitRequest
            {
                Purpose = "gather what no branch leads to", Arguments = arguments,
                Input = RawPath.ToBytes(string.Concat(input.Select(one => one + "\n"))),
            },
            '\n',
            line);
}
