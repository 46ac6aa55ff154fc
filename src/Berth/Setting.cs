using Berth.Engine;

namespace Berth;

/// <summary>One row of the table of settings: enough to bind it, to check it and to document it.</summary>
internal sealed record Setting
{
    /// <summary>The environment variable.</summary>
    public required string Variable { get; init; }

    /// <summary>The key in <c>berth.json</c>; null where only the environment may say it.</summary>
    public string? Key { get; init; }

    /// <summary>What its numbers count, or what it is: <c>seconds</c>, <c>bytes</c>, <c>path</c>.</summary>
    public required string Unit { get; init; }

    /// <summary>What is possible, in words that end the sentence "expected …".</summary>
    public required string Range { get; init; }

    /// <summary>What holds where nobody says anything.</summary>
    public required string Default { get; init; }

    /// <summary>What it does.</summary>
    public required string Description { get; init; }

    /// <summary>Whether its value is never shown.</summary>
    public bool Secret { get; init; }

    /// <summary>
    /// Whether it has several values: an array in <c>berth.json</c>, and in the environment split at this
    /// character.
    /// </summary>
    public char? Separator { get; init; }

    /// <summary>Puts a value into the options; null where the value is not possible.</summary>
    public required Func<BerthOptions, SettingValue, BerthOptions?> Bind { get; init; }
}

/// <summary>What somebody set.</summary>
/// <param name="Words">The value, or the values of a list.</param>
/// <param name="Folder">Where relative paths in it start.</param>
internal readonly record struct SettingValue(IReadOnlyList<string> Words, string Folder)
{
    /// <summary>The only value.</summary>
    public string Text => Words is [var only] ? only : string.Empty;

    /// <summary>The value as an absolute path, or null where it cannot be one.</summary>
    public string? Path => Absolute(Text);

    /// <summary>The values as absolute paths, or null where one of them cannot be one.</summary>
    public IReadOnlyList<string>? Paths
    {
        get
        {
            var folder = Folder;
            var paths = Words.Select(word => Absolute(word, folder)).OfType<string>().ToList();
            return paths.Count == Words.Count ? paths : null;
        }
    }

    /// <summary>The value as yes or no.</summary>
    public bool? Switch => Text.ToUpperInvariant() switch
    {
        "TRUE" or "1" or "YES" or "ON" => true,
        "FALSE" or "0" or "NO" or "OFF" => false,
        _ => null,
    };

    /// <summary>The value as a whole number between two others.</summary>
    public int? Count(int least, int most) =>
        Numbers.Whole(Text) is { } number && number >= least && number <= most ? (int)number : null;

    /// <summary>
    /// The value as seconds between one second and 24 hours; <c>90s</c>, <c>30m</c> and <c>2h</c> are understood
    /// too.
    /// </summary>
    public TimeSpan? Seconds()
    {
        var time = Numbers.Whole(Text) is { } seconds and <= TimeText.MostSeconds
            ? TimeSpan.FromSeconds(seconds)
            : TimeText.Read(Text);
        return time >= TimeSpan.FromSeconds(1) && time <= TimeSpan.FromHours(24) ? time : null;
    }

    /// <summary>
    /// The value as bytes between two others; <c>K</c>, <c>M</c> and <c>G</c> are understood at its end.
    /// </summary>
    public long? Bytes(long least, long most) =>
        SizeText.Read(Text, most) is { } bytes && bytes >= least ? bytes : null;

    /// <summary>The value as a time between two others, such as <c>90m</c>, <c>48h</c> or <c>30d</c>.</summary>
    public TimeSpan? Time(TimeSpan least, TimeSpan most) => TimeText.Read(Text, least, most);

    private string? Absolute(string text) => Absolute(text, Folder);

    private static string? Absolute(string text, string folder) =>
        text.Length == 0 || text.Contains('\0', StringComparison.Ordinal)
            ? null
            : System.IO.Path.GetFullPath(text, folder);
}
