namespace Berth.Terminal;

/// <summary>What a part of a line means; a terminal shows it as a colour.</summary>
internal enum Tone
{
    Plain,
    Faint,
    Strong,
    Good,
    Warning,
    Bad,
}

/// <summary>A piece of a line. Its text is safe to show: it has been through <see cref="SafeText"/>.</summary>
internal readonly record struct Part
{
    /// <summary>Makes a part of any text.</summary>
    public Part(string text, Tone tone = Tone.Plain)
    {
        Text = SafeText.Row(text);
        Tone = tone;
    }

    public string Text { get; }

    public Tone Tone { get; }
}

/// <summary>One line for people.</summary>
/// <param name="Parts">What stands in it.</param>
internal sealed record Line(params IReadOnlyList<Part> Parts)
{
    /// <summary>An empty line.</summary>
    public static Line Empty { get; } = new();

    /// <summary>Whether a terminal cuts it at its width; other lines are wrapped.</summary>
    public bool OneRow { get; init; }

    /// <summary>The columns that the rows after a wrap are moved in by.</summary>
    public int Indent { get; init; }

    /// <summary>The text without its tones.</summary>
    public string Text => string.Concat(Parts.Select(part => part.Text));

    /// <summary>A line of one part.</summary>
    public static Line Of(string text, Tone tone = Tone.Plain) => new(new Part(text, tone));
}
