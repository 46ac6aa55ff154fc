using System.Security.Cryptography;

namespace Berth.Engine.Runs;

/// <summary>Ids of runs: 26 letters and digits that sort by time of creation (a ULID in lower case).</summary>
/// <remarks>The alphabet is Crockford's base 32: https://github.com/ulid/spec.</remarks>
internal static class RunId
{
    /// <summary>How many characters at the end name a run among few: the part of a branch name.</summary>
    public const int ShortLength = 8;

    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    private const int Length = 26;
    private const int TimeLength = 10;

    /// <summary>Makes a new one.</summary>
    public static string New(TimeProvider time)
    {
        var milliseconds = time.GetUtcNow().ToUnixTimeMilliseconds();
        Span<char> id = stackalloc char[Length];
        for (var i = TimeLength - 1; i >= 0; i--)
        {
            id[i] = Alphabet[(int)(milliseconds & 31)];
            milliseconds >>= 5;
        }

        for (var i = TimeLength; i < Length; i++)
        {
            id[i] = Alphabet[RandomNumberGenerator.GetInt32(Alphabet.Length)];
        }

        return new string(id);
    }

    /// <summary>The last characters, which differ where ids were made in the same moment.</summary>
    public static string Short(string id) => id[^ShortLength..];

    /// <summary>Whether a text that can be a part of an id is as long as a whole one.</summary>
    public static bool IsWhole(string fragment) => fragment.Length == Length;

    /// <summary>Whether a text can be an id or a part of one: then it is safe in a path and in a query.</summary>
    public static bool IsFragment(string text) =>
        text.Length is > 0 and <= Length && text.All(Alphabet.Contains);
}
