using System.Buffers;
using System.Globalization;
using System.Text;

namespace Berth.Engine.Git;

/// <summary>Git's own rules for branch names, as <c>git check-ref-format --branch</c> has them, without starting
/// git.</summary>
internal static class BranchName
{
    // A loose ref is a file, and ".lock" is put behind its name while it is written.
    private const int MaxComponentBytes = 255 - 5;
    private const int MaxBytes = 1_000;

    private static readonly SearchValues<char> ForbiddenLetters =
        SearchValues.Create([.. Enumerable.Range(0, ' ').Select(code => (char)code), .. " ~^:?*[\\\u007f"]);

    /// <summary>Why git would refuse it, as the end of a sentence about the name; null for a valid name.</summary>
    internal static string? Problem(string name)
    {
        if (name.Length == 0)
        {
            return "is empty";
        }

        if (name[0] == '-')
        {
            return "starts with a dash";
        }

        var forbidden = name.AsSpan().IndexOfAny(ForbiddenLetters);
        if (forbidden >= 0)
        {
            return name[forbidden] is < ' ' or '\u007f' ? "holds a control character" : $"holds '{name[forbidden]}'";
        }

        if (name.Contains("..", StringComparison.Ordinal) || name.Contains("@{", StringComparison.Ordinal))
        {
            return "holds '..' or '@{'";
        }

        return name is "@" or "HEAD" ? "means something else to git" : ComponentProblem(name);
    }

    /// <summary>A name, and what to take in its place where it is taken: at most so many with a number behind them.
    /// The last is for a branch whose parent is a branch itself: no number helps there.</summary>
    internal static IEnumerable<string> Alternatives(string name, int most)
    {
        yield return name;
        for (var number = 2; number <= most; number++)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}-{number}");
        }

        if (name.Contains('/', StringComparison.Ordinal))
        {
            yield return name.Replace('/', '-');
        }
    }

    private static string? ComponentProblem(string name)
    {
        if (Encoding.UTF8.GetByteCount(name) > MaxBytes)
        {
            return $"is longer than {MaxBytes} bytes";
        }

        foreach (var part in name.Split('/'))
        {
            if (part.Length == 0)
            {
                return "starts or ends with a slash, or holds two in a row";
            }

            if (part[0] == '.' || part.EndsWith(".lock", StringComparison.Ordinal))
            {
                return "has a part that starts with a dot or ends with '.lock'";
            }

            if (Encoding.UTF8.GetByteCount(part) > MaxComponentBytes)
            {
                return $"has a part longer than {MaxComponentBytes} bytes";
            }
        }

        return name[^1] == '.' ? "ends with a dot" : null;
    }
}
