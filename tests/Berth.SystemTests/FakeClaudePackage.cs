namespace Berth.SystemTests;

/// <summary>The CLI that misbehaves, as a package of node_modules: it is a program with files beside it, and of other
/// programs the file alone is mounted.</summary>
internal static class FakeClaudePackage
{
    private const string Name = "berth-fake-claude";

    private static readonly Lazy<string> Made = new(Make);

    /// <summary>The program.</summary>
    internal static string Program => Made.Value;

    private static string Make()
    {
        var folder = Path.Combine(SystemTestEnvironment.OutputFolder, "fake", "node_modules", Name);
        Directory.CreateDirectory(folder);
        string[] files = [$"{Name}*", "Berth.Protocol.dll"];
        foreach (var source in files.SelectMany(
            file => Directory.EnumerateFiles(SystemTestEnvironment.OutputFolder, file)))
        {
            var copy = Path.Combine(folder, Path.GetFileName(source));
            if (!File.Exists(copy) || File.GetLastWriteTimeUtc(copy) != File.GetLastWriteTimeUtc(source))
            {
                File.Copy(source, copy, overwrite: true);
            }
        }

        return Path.Combine(folder, Name);
    }
}
