using System.Runtime.InteropServices;

namespace Berth.Engine.Claude;

/// <summary>Finds the Claude Code CLI: the native binary, which needs no Node.</summary>
internal static class ClaudeBinary
{
    private const string Name = "claude";

    /// <summary>Looks where it may be, nearest first.</summary>
    /// <param name="named">A path from the settings; then nothing else is looked at.</param>
    /// <param name="programFolder">
    /// The folder of the program; <c>tools/claude</c> is looked for here and upwards.
    /// </param>
    /// <param name="home">The home of Berth's state.</param>
    /// <returns>
    /// An absolute path, or null where there is none. A named path is returned as it is, there or not.
    /// </returns>
    public static string? Find(string? named, string programFolder, string home)
    {
        if (named is not null)
        {
            return Native(Path.GetFullPath(named)) ?? Path.GetFullPath(named);
        }

        for (var folder = new DirectoryInfo(programFolder); folder is not null; folder = folder.Parent)
        {
            if (InPackages(Path.Combine(folder.FullName, "tools", "claude", "node_modules")) is { } found)
            {
                return found;
            }
        }

        return InPackages(Path.Combine(home, "tools", "claude", "node_modules")) ?? OnPath();
    }

    private static string? InPackages(string nodeModules)
    {
        var binary = Path.Combine(nodeModules, "@anthropic-ai", $"claude-code-{Platform}", Name);
        return File.Exists(binary) ? binary : null;
    }

    private static string? OnPath() =>
        (from folder in (Environment.GetEnvironmentVariable("PATH")
            ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries)
         let path = Path.Combine(folder, Name)
         where File.Exists(path)
         select Native(path) ?? path).FirstOrDefault();

    // npm puts a launcher on the PATH: .../node_modules/@anthropic-ai/claude-code/bin/claude.exe or cli-wrapper.cjs.
    // The binary is in the platform's own package beside it.
    private static string? Native(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var real = new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
        for (var folder = Directory.GetParent(real); folder is not null; folder = folder.Parent)
        {
            if (string.Equals(folder.Name, "node_modules", StringComparison.Ordinal)
                && InPackages(folder.FullName) is { } found)
            {
                return found;
            }
        }

        return real.EndsWith(".cjs", StringComparison.Ordinal) ? null : real;
    }

    private static string Platform =>
        RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
}
