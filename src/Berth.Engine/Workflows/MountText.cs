namespace Berth.Engine.Workflows;

/// <summary>A folder of the machine that somebody asks for: <c>HOST[:INSIDE][:ro|:rw]</c>.</summary>
/// <param name="Host">The folder on this machine, absolute.</param>
/// <param name="Inside">Where the agent finds it, absolute; null for the same path.</param>
/// <param name="IsWritable">Whether the agent may write there.</param>
internal sealed record MountText(string Host, string? Inside, bool IsWritable)
{
    /// <summary>What a text has to look like, for messages.</summary>
    public const string Expected =
        "HOST[:INSIDE][:ro|:rw], both absolute paths without '.', '..' and a slash at the end, such as /srv/cache:rw";

    private const int LongestPath = 1024;

    /// <summary>Reads a text, or gives null where it is none.</summary>
    public static MountText? Parse(string text)
    {
        var parts = text.Split(':');
        bool? isWritable = parts[^1] switch { "rw" => true, "ro" => false, _ => null };
        return (isWritable is null ? parts : parts[..^1]) switch
        {
            [var host] when IsPath(host) => new MountText(host, null, isWritable ?? false),
            [var host, var inside] when IsPath(host) && IsPath(inside) =>
                new MountText(host, inside, isWritable ?? false),
            _ => null,
        };
    }

    private static bool IsPath(string text) =>
        text.Length is > 1 and <= LongestPath
        && text[0] == '/'
        && !text.Any(char.IsControl)
        && string.Equals(Path.GetFullPath(text), text, StringComparison.Ordinal)
        && text[^1] != '/';
}
