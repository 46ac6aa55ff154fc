using Xunit;

namespace Berth.Tests.Tidy;

/// <summary>The clone that these tests were built from.</summary>
internal static class SourceTree
{
    private static readonly HashSet<string> NotOurs =
        new([".git", ".idea", ".vs", "artifacts", "bin", "node_modules", "obj"], StringComparer.Ordinal);

    /// <summary>The folder of the clone.</summary>
    public static string Root { get; } = Find();

    /// <summary>The files of a folder of the clone and of those below it, by their paths from the root.</summary>
    public static IReadOnlyList<string> Files(string folder, string pattern = "*") =>
        [.. Walk(new DirectoryInfo(Path.Combine(Root, folder)), pattern).Order(StringComparer.Ordinal)];

    /// <summary>Fails with all that breaks a rule, each on a line of its own.</summary>
    public static void Holds(IEnumerable<string> broken)
    {
        var all = broken.ToList();
        if (all.Count > 0)
        {
            Assert.Fail(string.Join('\n', all));
        }
    }

    /// <summary>What a file says.</summary>
    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    private static IEnumerable<string> Walk(DirectoryInfo folder, string pattern) =>
        folder.EnumerateFiles(pattern)
            .Where(file => file.LinkTarget is null && !NotOurs.Contains(file.Name))
            .Select(file => Path.GetRelativePath(Root, file.FullName))
            .Concat(folder.EnumerateDirectories()
                .Where(child => child.LinkTarget is null && !NotOurs.Contains(child.Name))
                .SelectMany(child => Walk(child, pattern)));

    private static string Find()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "global.json")))
        {
            folder = folder.Parent
                ?? throw new DirectoryNotFoundException($"There is no clone above {AppContext.BaseDirectory}");
        }

        return folder.FullName;
    }
}
