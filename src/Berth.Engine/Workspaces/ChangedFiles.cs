using System.Globalization;

namespace Berth.Engine.Workspaces;

/// <summary>Reads <c>git diff-tree -z --raw --numstat</c>.</summary>
internal static class ChangedFiles
{
    /// <summary>Joins the two halves of the output: how each file changed, and by how many lines. Both have the same
    /// order.</summary>
    internal static IReadOnlyList<ChangedFile> Read(string text)
    {
        var parts = text.Split('\0');
        var files = new List<ChangedFile>();
        var at = 0;
        while (at + 1 < parts.Length && parts[at].StartsWith(':'))
        {
            var letter = parts[at][(parts[at].LastIndexOf(' ') + 1)..][0];
            var two = letter is 'R' or 'C';
            files.Add(new ChangedFile(parts[at + (two ? 2 : 1)], null, null, Word(letter), two ? parts[at + 1] : null));
            at += two ? 3 : 2;
        }

        for (var file = 0; file < files.Count && at + 1 < parts.Length; file++)
        {
            var counts = parts[at].Split('\t', 3);
            files[file] = files[file] with { Added = Lines(counts[0]), Removed = Lines(counts[1]) };

            // A rename leaves the path of its line empty; the two paths follow.
            at += counts[2].Length == 0 ? 3 : 1;
        }

        return files;
    }

    private static int? Lines(string count) =>
        int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var lines) ? lines : null;

    private static string Word(char letter) => letter switch
    {
        'A' => "added",
        'D' => "deleted",
        'R' => "renamed",
        'C' => "copied",
        'T' => "type_changed",
        _ => "modified",
    };
}
