namespace Berth.ScriptedModel;

/// <summary>What the model says, turn by turn.</summary>
/// <param name="Turns">The turns in order; one that repeats stands once.</param>
/// <param name="Key">A short stable name of the text, part of the ids that are made up.</param>
internal sealed record Script(IReadOnlyList<Turn> Turns, string Key)
{
    /// <summary>The turn that answers a conversation which holds so many answers already.</summary>
    public Turn TurnAt(int answers)
    {
        var left = answers;
        foreach (var turn in Turns)
        {
            if (turn.Repeat is null || left < turn.Repeat)
            {
                return turn;
            }

            left -= turn.Repeat.Value;
        }

        return Turn.TheEnd;
    }
}

/// <summary>One answer of the model: what is sent, in order.</summary>
internal sealed record Turn
{
    /// <summary>Played once a script has nothing more to say, so that a run always ends.</summary>
    public static Turn TheEnd { get; } = new() { Steps = [new TextStep("The script has ended.", Thinking: false)] };

    /// <summary>The steps in order.</summary>
    public required IReadOnlyList<Step> Steps { get; init; }

    /// <summary>How many answers in a row this turn is; null for all that follow.</summary>
    public int? Repeat { get; init; } = 1;

    /// <summary>The tokens it reports.</summary>
    public Usage Usage { get; init; } = Usage.Default;

    /// <summary>The stop reason; null for <c>tool_use</c> where there is a tool call, else <c>end_turn</c>.</summary>
    public string? StopReason { get; init; }

    /// <summary>The model it says it is; null for the one that was asked for.</summary>
    public string? Model { get; init; }
}

/// <summary>Token counts as the API reports them.</summary>
internal sealed record Usage(long Input, long Output, long CacheRead, long CacheWrite)
{
    /// <summary>Of the tokens written to the cache, those that are kept for an hour.</summary>
    public long CacheWrite1h { get; init; }

    /// <summary>What a turn reports that does not say.</summary>
    public static Usage Default { get; } = new(1000, 100, 0, 0);
}

/// <summary>One thing that the model does.</summary>
/// <param name="Times">How often it happens for one turn: requests beyond that pass over it. Null for always.</param>
internal abstract record Step(int? Times = null);

/// <summary>Sends the status, the headers and <c>message_start</c>, which the first block would otherwise do.</summary>
internal sealed record StartStep : Step;

/// <summary>A text or thinking block.</summary>
internal sealed record TextStep(string Text, bool Thinking) : Step;

/// <summary>A text block of so many bytes, in lines of a width, or in one line where the width is 0.</summary>
internal sealed record FloodStep(long Bytes, int Width) : Step;

/// <summary>A tool call; the input is JSON in which variables are still to be replaced.</summary>
internal sealed record ToolStep(string Name, string Input) : Step;

/// <summary>Silence for a while.</summary>
internal sealed record WaitStep(TimeSpan Time, int? Times) : Step(Times);

/// <summary>Pings, so many or (null) for ever.</summary>
internal sealed record PingStep(int? Count, TimeSpan Every) : Step;

/// <summary>Silence until the client gives up.</summary>
internal sealed record HangStep(int? Times) : Step(Times);

/// <summary>The connection is cut.</summary>
internal sealed record CutStep(int? Times) : Step(Times);

/// <summary>An API error: a status before the answer has begun, an <c>error</c> event after.</summary>
internal sealed record ErrorStep(int Status, string Type, string Message, int? Times) : Step(Times)
{
    /// <summary>Headers to send with it, for example <c>retry-after</c>.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);
}

/// <summary>An answer that is no message at all, for example a proxy's page.</summary>
internal sealed record BodyStep(int Status, string ContentType, string Body, int? Times) : Step(Times);

/// <summary>Bytes put into the stream as they are.</summary>
internal sealed record RawStep(string Text) : Step;
