namespace Berth.Engine.Runs;

/// <summary>How a run came here, and how it waits.</summary>
/// <param name="ViaServer">Whether a server's dispatcher starts it; else whoever made it starts its host.</param>
/// <param name="CreatedBy">The name of the token it was asked for with; null for a run of this machine's user.</param>
internal sealed record RunTicket(bool ViaServer, string? CreatedBy)
{
    /// <summary>The lowest and the highest priority.</summary>
    public const int MostPriority = 100;

    /// <summary>The most labels of a run.</summary>
    public const int MostLabels = 32;

    /// <summary>The longest label's name or value, and the longest idempotency key, in characters.</summary>
    public const int LongestText = 200;

    private static readonly Dictionary<string, string> NoLabels = new(StringComparer.Ordinal);

    /// <summary>A run that the machine's own user asked for at a terminal.</summary>
    public static RunTicket Own { get; } = new(ViaServer: false, CreatedBy: null);

    /// <summary>Whether the host of its repository is judged before each transfer: an operator may not have a server
    /// reach every one.</summary>
    public bool IsGuarded { get; init; }

    /// <summary>Who waits less: -100 to 100, default 0, higher first.</summary>
    public int Priority { get; init; }

    /// <summary>Names and values by which the asker finds it again. At most <see cref="MostLabels"/>.</summary>
    public IReadOnlyDictionary<string, string> Labels
    {
        get;
        init => field = value ?? NoLabels;
    } = NoLabels;

    /// <summary>The asker's own name for this request: asked again with it, there is still one run.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>What was asked, as a hash: the key stands for this and nothing else.</summary>
    public string? RequestHash { get; init; }

    /// <summary>The most runs that may wait; one more is refused. Null for no bound.</summary>
    public int? QueueLimit { get; init; }

    /// <summary>The trace that the request belongs to; null for one of the run's own.</summary>
    public TraceParent? Trace { get; init; }

    /// <summary>The key in the table: one asker's keys are not another's.</summary>
    internal string? StoredKey => IdempotencyKey is { } key ? $"{CreatedBy}/{key}" : null;
}

/// <summary>Where a trace goes on, as the headers of W3C Trace Context say it.</summary>
/// <param name="Parent">traceparent.</param>
/// <param name="State">tracestate, or null.</param>
internal sealed record TraceParent(string Parent, string? State);
