using Berth.Engine.Claude;

namespace Berth.SystemTests.Claude;

/// <summary>One way in which a run of the real CLI can end, and the verdict that is due.</summary>
internal sealed record CorpusCase(string Name, string About, ClaudeEnd End, string? Code = null)
{
    /// <summary>The script that the model plays.</summary>
    public string? Script { get; init; }

    /// <summary>What the model plays where the conversation has no script, as after a summary; the prompt then has
    /// none either.</summary>
    public string? ModelScript { get; init; }

    /// <summary>The prompt before the script.</summary>
    public string Prompt { get; init; } = "Please.";

    /// <summary>What is written to standard input in the place of the prompt's line.</summary>
    public string? RawInput { get; init; }

    /// <summary>The tools that are allowed.</summary>
    public IReadOnlyList<string> Allowed { get; init; } = ["Bash", "Read", "Write"];

    /// <summary>The limit of turns.</summary>
    public int? MaxTurns { get; init; }

    /// <summary>The limit of money.</summary>
    public decimal? MaxBudgetUsd { get; init; }

    /// <summary>The configuration of MCP servers.</summary>
    public string? Mcp { get; init; }

    /// <summary>Arguments that are added.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>An argument, with its value, that is left out.</summary>
    public string? Without { get; init; }

    /// <summary>Variables that are changed; null to leave one out.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } =
        new Dictionary<string, string?>(StringComparer.Ordinal);

    /// <summary>Whether nothing listens on the gateway's socket.</summary>
    public bool NoGateway { get; init; }

    /// <summary>A signal to send, 0 for the interrupt request of the control protocol, or null.</summary>
    public int? Signal { get; init; }

    /// <summary>The type of the event after which the signal is sent.</summary>
    public string SignalAfter { get; init; } = "system";

    /// <summary>How often it is tried until it ends as it should. More than once only where the CLI races with a
    /// clock of its own, which it may lose on a busy machine.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>The turns of the verdict, where they are due.</summary>
    public int? Turns { get; init; }

    /// <summary>The tools of the denials that are due.</summary>
    public IReadOnlyList<string> Denials { get; init; } = [];

    /// <summary>A part of a warning that is due, or null for none.</summary>
    public string? Warning { get; init; }

    /// <summary>A part of the failure's message that is due.</summary>
    public string? Message { get; init; }

    /// <summary>The tokens that are due: input, output.</summary>
    public (long Input, long Output)? Tokens { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
