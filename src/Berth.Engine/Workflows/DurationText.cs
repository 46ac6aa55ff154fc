using System.Globalization;

namespace Berth.Engine.Workflows;

/// <summary>A time limit as people write it: <c>90s</c>, <c>30m</c>, <c>2h</c>. From one second to 24 hours.</summary>
internal static class DurationText
{
    /// <summary>What is expected, for messages.</summary>
    public const string Expected = "a time like \"90s\", \"30m\" or \"2h\", from 1s to 24h";

    private static readonly TimeSpan Longest = TimeSpan.FromHours(24);

    /// <summary>Reads one.</summary>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        var unit = text switch
        {
            [.., 's'] => TimeSpan.FromSeconds(1),
            [.., 'm'] => TimeSpan.FromMinutes(1),
            [.., 'h'] => TimeSpan.FromHours(1),
            _ => default,
        };
        if (unit == default
            || !int.TryParse(text.AsSpan(..^1), NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            || count > Longest.TotalSeconds)
        {
            return false;
        }

        duration = unit * count;
        return duration >= TimeSpan.FromSeconds(1) && duration <= Longest;
    }
}
