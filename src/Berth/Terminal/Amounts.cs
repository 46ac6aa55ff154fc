using System.Globalization;

namespace Berth.Terminal;

/// <summary>Numbers as people read them.</summary>
internal static class Amounts
{
    /// <summary>A duration: <c>38 ms</c>, <c>4.2 s</c>, <c>3 min 5 s</c>, <c>2 h 4 min</c>, <c>3 d 4 h</c>.</summary>
    public static string Time(TimeSpan time) => time switch
    {
        { TotalMilliseconds: < 999.5 } => Text($"{time.TotalMilliseconds:0} ms"),
        { TotalSeconds: < 59.95 } => Text($"{time.TotalSeconds:0.0} s"),
        { TotalMinutes: < 60 } => Text($"{time.Minutes} min {time.Seconds} s"),
        { TotalHours: < 24 } => Text($"{time.Hours} h {time.Minutes} min"),
        _ => Text($"{time.Days} d {time.Hours} h"),
    };

    /// <summary>A duration in milliseconds.</summary>
    public static string Milliseconds(long milliseconds) => Time(TimeSpan.FromMilliseconds(milliseconds));

    /// <summary>How long ago, roughly: <c>now</c>, <c>12 s ago</c>, <c>5 min ago</c>.</summary>
    public static string Age(TimeSpan age) => age switch
    {
        { TotalSeconds: < 2 } => "now",
        { TotalSeconds: < 60 } => Text($"{age.TotalSeconds:0} s ago"),
        { TotalMinutes: < 60 } => Text($"{(int)age.TotalMinutes} min ago"),
        { TotalHours: < 48 } => Text($"{(int)age.TotalHours} h ago"),
        _ => Text($"{age.Days} d ago"),
    };

    /// <summary>A place in a run's time: <c>0:07</c>, <c>12:30</c>, <c>1:02:03</c>.</summary>
    public static string Clock(TimeSpan time)
    {
        var from = time < TimeSpan.Zero ? TimeSpan.Zero : time;
        return from.TotalHours < 1
            ? Text($"{from.Minutes}:{from.Seconds:00}")
            : Text($"{(int)from.TotalHours}:{from.Minutes:00}:{from.Seconds:00}");
    }

    /// <summary>US dollars: <c>$0</c>, <c>$0.024</c>, <c>$1.20</c>.</summary>
    public static string Dollars(decimal cost) => cost switch
    {
        0 => "$0",
        < 0.0001m => "under $0.0001",
        < 0.1m => Text($"${cost:0.00##}"),
        _ => Text($"${cost:0.00}"),
    };

    /// <summary>A count: <c>950</c>, <c>12.4k</c>, <c>3.1M</c>.</summary>
    public static string Count(long count) => count switch
    {
        < 10_000 => Text($"{count}"),
        < 1_000_000 => Text($"{count / 1000.0:0.#}k"),
        _ => Text($"{count / 1_000_000.0:0.#}M"),
    };

    /// <summary>A size: <c>0 B</c>, <c>12 KiB</c>, <c>3.4 MiB</c>.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        < 1024 => Text($"{bytes} B"),
        < 1024 * 1024 => Text($"{bytes / 1024.0:0.#} KiB"),
        < 1024L * 1024 * 1024 => Text($"{bytes / (1024.0 * 1024):0.#} MiB"),
        _ => Text($"{bytes / (1024.0 * 1024 * 1024):0.#} GiB"),
    };

    /// <summary>A number and its noun: <c>1 turn</c>, <c>3 turns</c>.</summary>
    public static string Of(long count, string noun) => Text($"{count} {noun}{(count == 1 ? string.Empty : "s")}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
