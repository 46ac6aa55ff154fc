namespace Berth;

/// <summary>
/// Sizes as people type them: a whole number of bytes, or with <c>K</c>, <c>M</c>, <c>G</c> or <c>T</c> behind it,
/// which are 1024 of the one before; <c>20G</c>, <c>20GB</c> and <c>20GiB</c> are the same.
/// </summary>
internal static class SizeText
{
    private const string Units = "KMGT";
    private const long Kibi = 1024;

    /// <summary>Reads one; null where it is none.</summary>
    /// <param name="text">What was typed.</param>
    /// <param name="most">The most that it may be, in bytes.</param>
    public static long? Read(string text, long most = long.MaxValue)
    {
        var upper = text.ToUpperInvariant();
        var digits = upper.TrimEnd('K', 'M', 'G', 'T', 'I', 'B');
        var unit = 1L;
        var suffix = upper[digits.Length..];
        var power = suffix.Length == 0 ? -1 : Units.IndexOf(suffix[0], StringComparison.Ordinal);
        if (suffix.Length > 0 && (power < 0 || suffix[1..] is not ("" or "B" or "IB")) && suffix is not "B")
        {
            return null;
        }

        for (; power >= 0; power--)
        {
            unit *= Kibi;
        }

        return Numbers.Whole(digits) is { } number && number <= most / unit ? number * unit : null;
    }
}
