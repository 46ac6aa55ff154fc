using System.Buffers;

namespace Berth.Protocol;

/// <summary>The names under which capture puts what is not at HEAD into the bundle. The host takes no others.</summary>
public static class WorkRefs
{
    /// <summary>What each begins with; a kind, a slash and a plain name follow.</summary>
    public const string Prefix = "refs/berth/out/";

    /// <summary>How many a bundle may have.</summary>
    public const int Max = 100;

    /// <summary>The longest plain name.</summary>
    public const int MaxName = 100;

    private static readonly SearchValues<char> PlainLetters = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    /// <summary>The kinds: branches, tags, and the one commit of what no branch led to.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["heads", "tags", "leftovers"];

    /// <summary>A name of the agent's as a plain one, which can stand in any ref.</summary>
    public static string Plain(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var letters = name.Take(MaxName).Select(letter => PlainLetters.Contains(letter) ? letter : '-');
        var plain = string.Concat(letters);
        while (plain.Contains("..", StringComparison.Ordinal))
        {
            plain = plain.Replace("..", ".", StringComparison.Ordinal);
        }

        plain = plain.Trim('.', '-');
        return IsPlain(plain) ? plain : "ref";
    }

    /// <summary>Whether a name is a plain one.</summary>
    public static bool IsPlain(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Length is > 0 and <= MaxName && !name.AsSpan().ContainsAnyExcept(PlainLetters)
            && name[0] is not ('.' or '-') && name[^1] != '.' && !name.Contains("..", StringComparison.Ordinal)
            && !name.EndsWith(".lock", StringComparison.Ordinal);
    }
}
