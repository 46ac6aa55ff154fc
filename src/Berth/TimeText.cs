using System.Globalization;

namespace Berth;

/// <summary>
/// Times as people type them: a whole number and its unit, <c>90s</c>, <c>30m</c>, <c>2h</c>, <c>7d</c>.
/// </summary>
internal static class TimeText
{
    /// <summary>More than ten years is a slip of the finger.</summary>
    public const long MostSeconds = 10L * 366 * 24 * 3600;

    /// <summary>Reads one; null where it is none.</summary>
    public static TimeSpan? Read(string text)
    {
        var unit = text is [.., var last]
            ? last switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 24 * 3600, _ => 0 }
            : 0;
        return unit > 0 && Numbers.Whole(text[..^1]) is { } count && count <= MostSeconds / unit
            ? TimeSpan.FromSeconds(count * unit)
            : null;
    }

    /// <summary>Reads one that must lie between two others.</summary>
    public static TimeSpan? Read(string text, TimeSpan least, TimeSpan most) =>
        Read(text) is { } time && time >= least && time <= most ? time : null;
}

/// <summary>Numbers as people type them.</summary>
internal static class Numbers
{
    /// <summary>A whole number of digits only; null where it is none.</summary>
    public static long? Whole(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>A number with a decimal point; null where it is none.</summary>
    public static decimal? Decimal(string text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;
}
