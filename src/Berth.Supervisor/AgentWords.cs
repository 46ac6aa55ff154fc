using System.Text;

namespace Berth.Supervisor;

/// <summary>The request that makes the CLI stop its turn and give a result.</summary>
internal static class AgentInterrupt
{
    internal static byte[] Line(string id) => Encoding.UTF8.GetBytes(
        $"{{\"type\":\"control_request\",\"request_id\":\"{id}\",\"request\":{{\"subtype\":\"interrupt\"}}}}\n");
}

/// <summary>What a wrapper makes of a signal that ended its child: 128 and its number.</summary>
internal static class WrapperSignals
{
    private const int Base = 128;

    /// <summary>The signal that an exit code stands for, where a program would hardly choose that code itself; else
    /// null.</summary>
    internal static int? From(int? code) => code - Base is 4 or 5 or 6 or 7 or 8 or 9 or 11 ? code - Base : null;
}

/// <summary>Keeps the beginning of standard error, where a sandbox says why it could not start the agent.</summary>
internal sealed class FirstErrorLine
{
    private const int MostBytes = 4096;
    private readonly byte[] bytes = new byte[MostBytes];
    private int length;

    internal string Text
    {
        get
        {
            var text = bytes.AsSpan(0, length);
            var end = text.IndexOf((byte)'\n');
            return Encoding.UTF8.GetString(end < 0 ? text : text[..end]);
        }
    }

    internal void Take(ReadOnlySpan<byte> more)
    {
        var count = Math.Min(more.Length, MostBytes - length);
        more[..count].CopyTo(bytes.AsSpan(length));
        length += count;
    }
}
