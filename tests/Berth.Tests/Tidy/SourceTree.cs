namespace Berth.Tests.Tidy;

/// <summary>The clone that these tests were built from.</summary>
internal static class SourceTree
{
    /// <summary>The folder of the clone.</summary>
    public static string Root { get; } = Find();

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "global.json")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException($"No clone above {AppContext.BaseDirectory}");
        }

        return folder.FullName;
    }
}
