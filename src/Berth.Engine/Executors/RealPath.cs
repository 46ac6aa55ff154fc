namespace Berth.Engine.Executors;

/// <summary>Where a path really leads.</summary>
internal static class RealPath
{
    // As many as the kernel follows.
    private const int MostLinks = 40;

    /// <summary>The path without any link in it; null where it leads nowhere.</summary>
    public static string? Of(string path)
    {
        var real = "/";
        var left = new Stack<string>(Parts(path));
        for (var links = 0; left.TryPop(out var name);)
        {
            var next = Path.GetFullPath(Path.Combine(real, name));
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }

            links++;
            if (links > MostLinks)
            {
                return null;
            }

            real = Path.IsPathRooted(target) ? "/" : real;
            foreach (var part in Parts(target))
            {
                left.Push(part);
            }
        }

        return Path.Exists(real) ? real : null;
    }

    /// <summary>Whether a path is a folder or is in it. Both without links.</summary>
    public static bool IsWithin(string path, string folder) =>
        folder is "/"
        || string.Equals(path, folder, StringComparison.Ordinal)
        || path.StartsWith(folder + "/", StringComparison.Ordinal);

    private static IEnumerable<string> Parts(string path) =>
        path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse();
}
