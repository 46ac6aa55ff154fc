namespace Berth.Supervisor;

/// <summary>Looks at the workspace's own repository from outside, following no link of the agent's.</summary>
internal static class GitFolder
{
    /// <summary>What is wrong with it, as the end of a sentence, or null.</summary>
    internal static string? Defect(string workspace)
    {
        if (!IsRealFolder(workspace))
        {
            return "is no longer a folder: the agent removed or replaced it";
        }

        var git = Path.Combine(workspace, ".git");
        if (IsRealFolder(git))
        {
            return null;
        }

        return Path.Exists(git) ? "has a .git that is no longer a folder: the agent replaced it"
            : "has no .git any more: the agent removed it";
    }

    internal static bool IsRealFolder(string path) => new DirectoryInfo(path) is { Exists: true, LinkTarget: null };
}

/// <summary>Removes the locks that a killed git of the agent's left behind; no process of the run lives when this is
/// called.</summary>
internal static class StaleLocks
{
    private const int DeepestRef = 16;

    internal static void Remove(string workspace)
    {
        if (GitFolder.Defect(workspace) is { } defect)
        {
            throw new Berth.Protocol.FailureException(
                "capture_repository_replaced", $"The repository in the workspace {defect}.",
                "The workspace is kept; the agent's files are there.", Berth.Protocol.Fault.Agent);
        }

        var git = Path.Combine(workspace, ".git");
        var refs = Path.Combine(git, "refs");
        var heads = Path.Combine(refs, "heads");
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true, MaxRecursionDepth = DeepestRef,
                AttributesToSkip = FileAttributes.ReparsePoint,
        };
        IEnumerable<string> locks = [Path.Combine(git, "index.lock"), Path.Combine(git, "HEAD.lock"),
            Path.Combine(git, "packed-refs.lock")];
        if (GitFolder.IsRealFolder(refs) && GitFolder.IsRealFolder(heads))
        {
            locks = locks.Concat(Directory.EnumerateFiles(heads, "*.lock", options));
        }

        foreach (var file in locks.ToList())
        {
            try
            {
                File.Delete(file);
            }
            catch (Exception stays) when (stays is IOException or UnauthorizedAccessException)
            {
                // Git says so itself, and capture fails with that.
            }
        }
    }
}
