using System.Buffers;

namespace Berth.Protocol;

/// <summary>How the tokens of a well-known service look: a beginning of their own, and so many letters.</summary>
/// <param name="prefix">The beginning, at least four bytes.</param>
/// <param name="letters">What may follow.</param>
/// <param name="least">How many of them make it a token.</param>
/// <param name="most">How many of them are looked at. Where the prefix is made of such letters too, a text of nothing
/// but prefixes must not be read again from each of them.</param>
internal sealed class TokenShape(
    string prefix, SearchValues<byte> letters, int least, int most = TokenShape.LongestToken)
{
    private const int LongestToken = 4096;

    private static readonly SearchValues<byte> Word =
        SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"u8);

    private static readonly SearchValues<byte> Capital = SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    // With the line ends of a key, also as JSON writes them.
    private static readonly SearchValues<byte> Key =
        SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/=\\\r\n"u8);

    /// <summary>Those that are looked for in each run, as their makers document them.</summary>
    public static IReadOnlyList<TokenShape> Known { get; } =
    [
        // Anthropic; OpenAI.
        new("sk-ant-", Word, 24), new("sk-proj-", Word, 24),

        // GitHub: docs.github.com, "About authentication to GitHub", token formats.
        .. new[] { "ghp_", "gho_", "ghu_", "ghs_", "ghr_" }.Select(prefix => new TokenShape(prefix, Word, 36)),
        new("github_pat_", Word, 36),

        // GitLab: docs.gitlab.com, "Token overview", token prefixes.
        new("glpat-", Word, 20), new("gldt-", Word, 20), new("glrt-", Word, 20),

        // AWS: "IAM identifiers", unique ID prefixes.
        new("AKIA", Capital, 16), new("ASIA", Capital, 16),
        new("AIza", Word, 35),
        .. new[] { "xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-" }.Select(prefix => new TokenShape(prefix, Word, 20)),
        new("npm_", Word, 36), new("pypi-", Word, 50), new("berth_", Word, 60),

        // RFC 7468, and what OpenSSH writes.
        new("PRIVATE KEY-----", Key, 40, int.MaxValue),
    ];

    /// <summary>The beginning.</summary>
    public byte[] Prefix { get; } = System.Text.Encoding.ASCII.GetBytes(prefix);

    /// <summary>Looks whether a token begins with a prefix that was found.</summary>
    /// <param name="text">The text.</param>
    /// <param name="at">Where the prefix ends.</param>
    /// <returns>Where it is, and whether it is long enough; or null where it is part of a longer word.</returns>
    public (int Start, int End, bool IsWhole)? Match(ReadOnlySpan<byte> text, int at)
    {
        var start = at - Prefix.Length;
        if (start > 0 && char.IsAsciiLetterOrDigit((char)text[start - 1]) && !IsEscape(text[..start]))
        {
            return null;
        }

        var rest = text.Slice(at, Math.Min(text.Length - at, most));
        var end = rest.IndexOfAnyExcept(letters) is >= 0 and var other ? other : rest.Length;
        return (start, at + end, end >= least);
    }

    // \n, \r or \t before it, as JSON has them.
    private static bool IsEscape(ReadOnlySpan<byte> before) => before is [.., (byte)'\\', _];
}
