namespace Berth.Engine.Processes;

/// <summary>Finds a program as a shell does.</summary>
internal static class ProgramPath
{
    private const UnixFileMode AnyExecute =
        UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The program's path, or null.</summary>
    /// <param name="name">A name without a slash, which is looked for in the folders, or a path.</param>
    /// <param name="folders">The value of PATH. Folders that are not absolute are passed over: the current one may be
    /// an agent's.</param>
    public static string? Find(string name, string folders) => name.Contains('/', StringComparison.Ordinal)
        ? Path.IsPathFullyQualified(name) && IsProgram(name) ? name : null
        : folders.Split(':', StringSplitOptions.RemoveEmptyEntries).Where(Path.IsPathFullyQualified)
            .Select(folder => Path.Combine(folder, name)).FirstOrDefault(IsProgram);

    private static bool IsProgram(string path) =>
        File.Exists(path) && (File.GetUnixFileMode(path) & AnyExecute) != UnixFileMode.None;
}
