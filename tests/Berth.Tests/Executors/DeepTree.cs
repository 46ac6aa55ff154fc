namespace Berth.Tests.Executors;

/// <summary>A tree deeper than a path may be long.</summary>
internal static class DeepTree
{
    /// <summary>Makes it: in each level a file of a byte and the next level.</summary>
    public static void Make(string folder, string name, int depth)
    {
        // Each level is made under a short path, then hung into the next one.
        var tree = Path.Combine(folder, name);
        Directory.CreateDirectory(tree);
        var deep = Path.Combine(folder, "0");
        for (var level = 0; level < depth; level++)
        {
            var above = Path.Combine(folder, level % 2 == 0 ? "1" : "0");
            Directory.CreateDirectory(above);
            File.WriteAllText(Path.Combine(above, "file"), "x");
            if (Directory.Exists(deep))
            {
                Directory.Move(deep, Path.Combine(above, "level"));
            }

            deep = above;
        }

        Directory.Move(deep, Path.Combine(tree, "level"));
    }
}
