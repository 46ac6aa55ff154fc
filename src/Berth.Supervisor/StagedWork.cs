using System.Globalization;

namespace Berth.Supervisor;

/// <summary>One work tree of the run: the workspace itself, or a linked worktree.</summary>
/// <param name="Outside">Its folder as the supervisor sees it; null where it does not.</param>
/// <param name="Inside">Its folder as git sees it.</param>
/// <param name="GitFolder">Its git folder as git sees it.</param>
internal sealed record WorkTree(string? Outside, string Inside, string GitFolder)
{
    /// <summary>A git command in it.</summary>
    internal GitRequest Request(string purpose, IReadOnlyList<string> arguments) => new()
    {
        Purpose = purpose, Arguments = arguments, WorkTree = Inside, GitFolder = GitFolder,
    };
}

/// <summary>Commits what the agent left in a work tree, all of it that git can take.</summary>
/// <remarks>
/// Git passes over files that it was told to take for unchanged, over folders that it cannot read and over what lies in
/// a submodule's place. So flags are dropped first, and what git cannot take is found and said. What it would change of
/// itself, line ends for example, is left as it was.
/// </remarks>
internal sealed class StagedWork(CaptureGit git, WorkTree tree, CaptureFindings findings, DateTimeOffset since)
{
    private const int MaxSaidLines = 10;
    private const int MaxSaidFiles = 5;
    private const int NameAt = 3;
    private const string GitLink = "160000";

    // Git says these of files that it takes all the same.
    private static readonly string[] Harmless = ["hint: ", "warning: in the working copy of ", "The file will have"];

    private static readonly string[] Status =
    [
        "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=normal", "--ignore-submodules=dirty",
    ];

    private readonly HashSet<string> links = new(StringComparer.Ordinal);
    private readonly HashSet<string> unmerged = new(StringComparer.Ordinal);
    private readonly UntouchedFiles untouched = new(git, tree);
    private readonly List<string> assumed = [];
    private bool isSparse;
    private bool hasExcludes;
    private bool hasAttributes;
    private bool looksClean;

    /// <summary>The objects that staging made and that are on no branch: nothing of the agent's.</summary>
    internal IReadOnlyCollection<string> Unused => untouched.Unused;

    /// <summary>Whether files may have attributes, by which git changes them or leaves them to other
    /// programs.</summary>
    internal bool HasAttributes => hasAttributes;

    /// <summary>Stages and commits it.</summary>
    /// <param name="apart">Paths in it that are worktrees of this repository, and committed on their own.</param>
    /// <param name="look">What is in the repository's <c>.git</c>.</param>
    /// <returns>Whether there was something to commit.</returns>
    internal bool Commit(IReadOnlyCollection<string> apart, GitFolderLook look)
    {
        hasExcludes = look.HasFile("exclude"u8);
        hasAttributes = look.HasFile("attributes"u8);
        ReadIndex();
        var walk = Walk();
        var nested = walk.Nested.Where(path => !apart.Contains(path, StringComparer.Ordinal)).ToList();
        foreach (var path in nested)
        {
            findings.Keep(links.Contains(path)
                ? $"the submodule {Named(path)}, which has a repository of its own"
                : $"{Named(path)} is a repository of its own, and git takes at most its commit's name");
        }

        hasAttributes |= walk.HasAttributes || tree.Outside is null;
        if (IsUntouched(walk))
        {
            return false;
        }

        Stage([.. walk.Nested.Where(path => !links.Contains(path))]);
        foreach (var trouble in walk.Troubles)
        {
            findings.Keep(trouble);
        }

        if (hasAttributes)
        {
            untouched.TakeBack();
        }

        var made = CommitStaged();
        if (unmerged.Count > 0)
        {
            findings.Say($"The agent left conflicts unsolved; the commit has their marks: {Some(unmerged)}.");
        }

        // Most runs have left something, so it is committed without a look first; git says with 1 that it was nothing.
        return IsClean(walk) || made.Code == 0 ? made.Code == 0 : throw git.Failed("commit the changes", made);
    }

    // What git saw as unchanged before anything was made visible to it, where nothing had to be.
    private bool IsUntouched(WorkspaceWalk walk) => looksClean && tree.Outside is not null && !isSparse
        && assumed.Count == 0 && unmerged.Count == 0
        && walk is { HasMended: false, Nested.Count: 0, Troubles.Count: 0 };

    private void ReadIndex()
    {
        // <tag> <mode> <object> <stage>\t<path>; the tag is a small letter where git was told to take it for unchanged.
        _ = git.Read(
            Request("list what is staged", ["ls-files", "--stage", "-v", "-z"]),
            '\0',
            record =>
            {
                var tab = record.IndexOf('\t', StringComparison.Ordinal);
                if (tab < 0 || record.Split(' ', 4) is not [{ Length: 1 } tag, var mode, _, var stage])
                {
                    return;
                }

                var path = record[(tab + 1)..];
                isSparse |= char.ToUpperInvariant(tag[0]) == 'S';
                if (char.IsAsciiLetterLower(tag[0]))
                {
                    assumed.Add(path);
                }

                if (mode is GitLink)
                {
                    links.Add(path);
                }

                if (stage[0] != '0')
                {
                    unmerged.Add(path);
                }
            });
        _ = assumed.RemoveAll(unmerged.Contains);
        isSparse |= tree.Outside is { } folder && File.Exists(Path.Combine(folder, ".git", "info", "sparse-checkout"));
        if (assumed.Count > 0)
        {
            _ = git.Run(Request(
                "look at files that were said to be unchanged",
                ["update-index", "--no-assume-unchanged", "-z", "--stdin"]) with { Input = RawPath.Records(assumed) });
        }
    }

    private WorkspaceWalk Walk()
    {
        var ignored = hasExcludes ? IgnoredBy("--exclude-standard") : FirstLook();
        if (hasExcludes)
        {
            var byRepository = IgnoredBy("--exclude-per-directory=.gitignore");
            var hidden = ignored.Except(byRepository, StringComparer.Ordinal).ToList();
            if (hidden.Count > 0)
            {
                findings.Keep($"{Some(hidden)}, which only .git/info/exclude hides");
            }
        }

        var walk = new WorkspaceWalk(since, () => git.IsOver);
        if (tree.Outside is not { } folder)
        {
            return walk;
        }

        walk.Look(folder, ignored);
        foreach (var path in links.Where(path => !walk.Nested.Contains(path, StringComparer.Ordinal)))
        {
            if (WorkspaceWalk.HasEntries(folder, path))
            {
                findings.Keep($"files in the submodule {Named(path)}, which git takes as one commit");
            }
        }

        SayIgnored(ignored, walk.Ignored);
        return walk;
    }

    // One command says what is ignored and whether there is anything to commit.
    private List<string> FirstLook()
    {
        var ignored = new List<string>();
        var isClean = true;
        var looked = git.Read(
            Request("look at the workspace", [.. Status, "--ignored=traditional"]) with { OrBroken = true },
            '\0',
            record =>
            {
                if (record.StartsWith("!! ", StringComparison.Ordinal))
                {
                    ignored.Add(record[NameAt..]);
                }
                else
                {
                    isClean = false;
                }
            });
        looksClean = isClean && looked is { Code: 0, Error.Length: 0 };
        return looked.Code == 0 ? ignored : IgnoredBy("--exclude-standard");
    }

    private List<string> IgnoredBy(string rules)
    {
        var ignored = new List<string>();
        _ = git.Read(
            Request("list the ignored files", ["ls-files", "--others", "--ignored", rules, "--directory", "-z"]),
            '\0',
            ignored.Add);
        return ignored;
    }

    // The repository says that these are no work, so they may go; where they are much, people are told.
    private void SayIgnored(List<string> paths, IReadOnlyDictionary<string, IgnoredFolder> held)
    {
        const long MaxBytes = 1024 * 1024;
        const long MaxFiles = 100;
        var all = paths.Select(path => (Path: path, Held: held.GetValueOrDefault(path.TrimEnd('/')) ?? new()))
            .OrderByDescending(one => one.Held.Bytes).ToList();
        var loose = all.Where(one => !one.Path.EndsWith('/')).ToList();
        if (loose.Sum(one => one.Held.Bytes) > MaxBytes)
        {
            findings.Keep($"{Measured(loose)}, which the repository ignores");
        }

        var folders = all.Where(one => one.Path.EndsWith('/')).ToList();
        if (folders.Sum(one => one.Held.Bytes) > MaxBytes || folders.Sum(one => one.Held.Files) > MaxFiles)
        {
            findings.Say($"{Measured(folders)}, which the repository ignores, are not part of the result.");
        }

        string Measured(List<(string Path, IgnoredFolder Held)> some)
        {
            var files = some.Sum(one => one.Held.Files).ToString(CultureInfo.InvariantCulture);
            var kib = (some.Sum(one => one.Held.Bytes) / 1024).ToString(CultureInfo.InvariantCulture);
            return $"{Some(some.Select(one => one.Path))} ({files} files, {kib} KiB)";
        }
    }

    private void Stage(IReadOnlyList<string> excluded)
    {
        // With --ignore-errors a file that cannot be read costs that file, and not all of them.
        string[] paths = excluded.Count == 0 ? []
            : ["--pathspec-from-file=-", "--pathspec-file-nul"];
        var request = Request(
            "stage the changes",
            ["add", "--all", "--ignore-errors", .. isSparse ? ["--sparse"] : (string[])[], .. paths]) with
            {
                AlsoExpected = 1,
                Input = excluded.Count == 0 ? null
                    : RawPath.Records([".", .. excluded.Select(path => $":(exclude,top,literal){path}")]),
            };
        var result = git.Run(request);
        var lines = result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !Array.Exists(Harmless, start => line.StartsWith(start, StringComparison.Ordinal))).ToList();
        foreach (var line in lines.Take(MaxSaidLines))
        {
            findings.Keep($"git said: {git.Short(line)}");
        }

        if (result.Code != 0 && lines.Count == 0)
        {
            findings.Keep("git could not stage all of it, and did not say why");
        }
    }

    private CommandResult CommitStaged() => git.Run(Request(
        "commit the changes",
        ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", "--allow-empty-message",
            $"--message={git.Step.Message}"]) with
    {
        AlsoExpected = 1,
    });

    // Whatever the reason: what git still sees as different after the commit is nowhere but here.
    private bool IsClean(WorkspaceWalk walk)
    {
        var apart = walk.Nested.ToHashSet(StringComparer.Ordinal);
        var isCommitted = true;
        _ = git.Read(
            Request("look at what is left", Status),
            '\0',
            record =>
            {
                var path = record.Length > NameAt ? record[NameAt..].TrimEnd('/') : string.Empty;
                isCommitted &= record is [' ' or '?', ..];
                if (path.Length > 0 && !apart.Contains(path) && !untouched.Paths.Contains(path)
                    && !apart.Any(inner => inner.StartsWith(path + "/", StringComparison.Ordinal)))
                {
                    findings.Keep($"{Named(path)} is not as the commit has it");
                }
            });
        return isCommitted;
    }

    private GitRequest Request(string purpose, IReadOnlyList<string> arguments) => tree.Request(purpose, arguments);

    private static string Named(string path) => RawPath.Show(path);

    private static string Some(IEnumerable<string> paths)
    {
        var all = paths.ToList();
        var more = all.Count > MaxSaidFiles
            ? $" and {(all.Count - MaxSaidFiles).ToString(CultureInfo.InvariantCulture)} more" : string.Empty;
        return string.Join(", ", all.Take(MaxSaidFiles).Select(Named)) + more;
    }
}
