namespace Berth.Engine.Workflows;

/// <summary>The names that somebody may have meant by one that does not exist.</summary>
internal static class NearestName
{
    // Nobody types a longer name by hand, and comparing two costs the product of their lengths.
    private const int MostCompared = 64;
    private const int MostNames = 3;

    /// <summary>The nearest of the names, the nearest first; none where nothing is near.</summary>
    /// <param name="typed">What was typed.</param>
    /// <param name="names">The names that there are.</param>
    public static string[] Of(string typed, IEnumerable<string> names)
    {
        if (typed.Length is 0 or > MostCompared)
        {
            return [];
        }

        var lower = typed.ToLowerInvariant();
        var near = from name in names.Distinct(StringComparer.Ordinal)
                   where name.Length is > 0 and <= MostCompared
                   let distance = Distance(lower, name.ToLowerInvariant())
                   where distance <= Allowed(lower.Length, name.Length)
                   orderby distance, name.Length
                   select (name, distance);
        var found = near.ToList();

        // One that is off by a letter makes those that are off by three no help.
        return [.. found.Where(each => each.distance <= found[0].distance + 1).Take(MostNames)
            .Select(each => each.name)];
    }

    /// <summary>The same as a question; empty where nothing is near.</summary>
    public static string Question(string typed, IEnumerable<string> names) => Of(typed, names) switch
    {
        [] => string.Empty,
        [var one] => $" Did you mean {one}?",
        [.. var first, var last] => $" Did you mean {string.Join(", ", first)} or {last}?",
    };

    // A third of the letters may be wrong; of a short word one. The longer name decides, for letters are left out too.
    private static int Allowed(int typed, int name) => Math.Clamp(Math.Max(typed, name) / 3, 1, 3);

    // Insertions, deletions, replacements, and two neighbours the wrong way round: the four slips of a finger.
    private static int Distance(string one, string other)
    {
        var previous = new int[other.Length + 1];
        var current = new int[other.Length + 1];
        var next = new int[other.Length + 1];
        for (var column = 0; column <= other.Length; column++)
        {
            current[column] = column;
        }

        for (var row = 1; row <= one.Length; row++)
        {
            next[0] = row;
            for (var column = 1; column <= other.Length; column++)
            {
                var isSame = one[row - 1] == other[column - 1];
                next[column] = Math.Min(
                    Math.Min(next[column - 1] + 1, current[column] + 1), current[column - 1] + (isSame ? 0 : 1));
                if (row > 1 && column > 1 && one[row - 1] == other[column - 2] && one[row - 2] == other[column - 1])
                {
                    next[column] = Math.Min(next[column], previous[column - 2] + 1);
                }
            }

            (previous, current, next) = (current, next, previous);
        }

        return current[other.Length];
    }
}
