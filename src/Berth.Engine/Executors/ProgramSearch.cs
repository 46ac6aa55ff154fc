namespace Berth.Engine.Executors;

/// <summary>Finds programs as a shell would.</summary>
internal static class ProgramSearch
{
    private const UnixFileMode AnyExecute =
        UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    // What a shell searches that was given none.
    private const string DefaultPath = "/usr/local/bin:/usr/bin:/bin";

    /// <summary>The first program of that name in the folders of PATH, or null.</summary>
    internal static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") is { Length: > 0 } path ? path : DefaultPath)
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathFullyQualified)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(IsProgram);

    /// <summary>A program that is there inside the sandbox too, because it is in the system's own folders; or
    /// null.</summary>
    internal static string? FindInside(string name) =>
        new[] { Find(name), $"/usr/bin/{name}" }.FirstOrDefault(
            path => path is not null && IsInside(path) && IsProgram(path));

    /// <summary>Whether a path of the host is the same file inside the sandbox.</summary>
    internal static bool IsInside(string path) =>
        path.StartsWith("/usr/", StringComparison.Ordinal) || path.StartsWith("/bin/", StringComparison.Ordinal);

    /// <summary>Whether there is a file that may be executed.</summary>
    internal static bool IsProgram(string path) => File.Exists(path)
        && (File.GetUnixFileMode(path) & AnyExecute) != UnixFileMode.None;
}
