namespace Berth.Engine.Executors;

/// <summary>The folder of the workspace that an agent begins in.</summary>
internal static class StartFolder
{
    private const string ChangeFolder = "--chdir";

    /// <summary>Its path.</summary>
    /// <param name="workspace">The workspace.</param>
    /// <param name="directory">Below it; empty for the workspace itself.</param>
    public static string Of(string workspace, string directory) =>
        directory.Length == 0 ? workspace : $"{workspace.TrimEnd('/')}/{directory}";

    /// <summary>The words of a sandbox that begin there.</summary>
    public static IReadOnlyList<string> In(IReadOnlyList<string> words, string directory)
    {
        if (directory.Length == 0)
        {
            return words;
        }

        var moved = words.ToList();
        var at = moved.LastIndexOf(ChangeFolder) + 1;
        moved[at] = Of(moved[at], directory);
        return moved;
    }
}
