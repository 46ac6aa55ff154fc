namespace Berth.Protocol;

/// <summary>Whether a protection holds, as it was tried from inside.</summary>
/// <param name="Name">Which one.</param>
/// <param name="Holds">Whether it holds.</param>
/// <param name="Detail">What was found.</param>
public sealed record ProtectionLine(string Name, bool Holds, string Detail)
{
    /// <summary>The filter of system calls.</summary>
    public const string SystemCalls = "system calls";

    /// <summary>The agent's standard streams.</summary>
    public const string Streams = "agent streams";

    /// <summary>The bound of <c>/dev/shm</c> and <c>/dev</c>.</summary>
    public const string SharedMemory = "shared memory";

    /// <summary>What of the CLI's folder is there.</summary>
    public const string CliFolder = "cli folder";

    /// <summary>The CLI's memory.</summary>
    public const string CliMemory = "cli memory";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [SystemCalls, Streams, SharedMemory, CliFolder, CliMemory];

    private const string Start = "berth-try\t";

    /// <summary>As a line.</summary>
    public override string ToString() => $"{Start}{Name}\t{(Holds ? "holds" : "open")}\t{Detail}";

    /// <summary>Reads a line; null for another one.</summary>
    public static ProtectionLine? Parse(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return line.StartsWith(Start, StringComparison.Ordinal)
            && line[Start.Length..].Split('\t', 3) is [var name, var word, var detail]
                ? new ProtectionLine(name, word is "holds", detail)
                : null;
    }
}
