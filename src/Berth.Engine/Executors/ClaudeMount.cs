namespace Berth.Engine.Executors;

/// <summary>What of the host is mounted for the agent to have its CLI: the file, and never the folder that it happens
/// to be in, which may be somebody's home.</summary>
/// <remarks>
/// A program in a package of <c>node_modules</c> brings the package's folder, for a script there reads its
/// neighbours. Other scripts have what they name only where that is in the sandbox anyway, below <c>/usr</c> for
/// example.
/// </remarks>
/// <param name="Program">The program as a host path without links.</param>
/// <param name="Inside">The program's path in the sandbox.</param>
/// <param name="Mounts">What is mounted read-only, in this order.</param>
internal sealed record ClaudeMount(string Program, string Inside, IReadOnlyList<HostMount> Mounts)
{
    private const string Packages = "node_modules";

    /// <summary>Whether it has the folder of its package.</summary>
    internal bool IsPackage => Mounts[0].Inside is InsidePaths.ClaudeFolder;

    /// <summary>Of the CLI at a path.</summary>
    /// <param name="claudeBinary">The CLI as a host path; links are followed.</param>
    internal static ClaudeMount Of(string claudeBinary)
    {
        var program = ClaudeProgram.Resolve(claudeBinary);
        if (PackageOf(program) is { } package)
        {
            return new ClaudeMount(
                program,
                $"{InsidePaths.ClaudeFolder}/{Path.GetRelativePath(package, program)}",
                [new HostMount(package, InsidePaths.ClaudeFolder)]);
        }

        var inside = $"{InsidePaths.ClaudeFolder}/{Path.GetFileName(program)}";
        return new ClaudeMount(program, inside, [new HostMount(program, inside)]);
    }

    /// <summary>The same, with the program closed to other processes where the run needs that.</summary>
    /// <exception cref="Berth.Protocol.FailureException"><c>cli_not_guarded</c>.</exception>
    internal ClaudeMount Guarded(string runsFolder, ExecutionPolicy policy)
    {
        if (!policy.GuardsClaude || GuardedClaude.Of(runsFolder, Program) is not { } copy)
        {
            return this;
        }

        var own = new HostMount(copy, Inside);
        var others = Mounts.Where(mount => !string.Equals(mount.Inside, Inside, StringComparison.Ordinal));
        return this with { Mounts = [.. others, own] };
    }

    // The innermost package: node_modules/NAME or node_modules/@SCOPE/NAME.
    private static string? PackageOf(string program)
    {
        for (var folder = Path.GetDirectoryName(program); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            var parent = Path.GetDirectoryName(folder);
            var outer = Path.GetFileName(parent) is ['@', ..] ? Path.GetDirectoryName(parent) : parent;
            if (Path.GetFileName(folder) is not ['@', ..]
                && string.Equals(Path.GetFileName(outer), Packages, StringComparison.Ordinal))
            {
                return folder;
            }
        }

        return null;
    }
}
