using System.Globalization;
using System.Text;

namespace Berth.Engine.Network;

/// <summary>What a client asks of the proxy: <c>CONNECT host:port</c>, or a whole <c>http://</c> address.</summary>
/// <param name="Host">The host, as <see cref="HostPattern.Canonical"/> writes it.</param>
/// <param name="Port">The port.</param>
/// <param name="IsTunnel">Whether it is CONNECT, which is answered before anything is passed on.</param>
/// <param name="Opening">What the server is sent first: the request as a server wants it; nothing for a tunnel.</param>
internal sealed record ProxyRequest(string Host, int Port, bool IsTunnel, byte[] Opening)
{
    /// <summary>The longest head of a request in bytes.</summary>
    public const int MaxHead = 16 * 1024;

    private const string Plain = "http://";
    private const int PlainPort = 80;

    // They are between the client and us.
    private static readonly string[] Dropped =
    [
        "connection", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "upgrade",
    ];

    /// <summary>Reads a head, from the request line to the empty line.</summary>
    /// <param name="head">The bytes.</param>
    /// <param name="why">Why it is none.</param>
    public static ProxyRequest? Parse(ReadOnlySpan<byte> head, out string why)
    {
        // Latin-1 takes every byte as it is, and gives it back so.
        var lines = Encoding.Latin1.GetString(head).Split("\r\n");
        why = "the request line is not that of HTTP/1.1";
        if (lines[0].Split(' ') is not [{ Length: > 0 } method, var target, "HTTP/1.1" or "HTTP/1.0"]
            || !method.All(char.IsAsciiLetterUpper) || target.Any(char.IsControl))
        {
            return null;
        }

        var isTunnel = method is "CONNECT";
        var authority = isTunnel ? target : AuthorityOf(target);
        why = isTunnel ? "CONNECT wants HOST:PORT" : "only CONNECT and http:// addresses are passed on";
        if (authority is null || HostPattern.Split(authority) is not var (name, port)
            || HostPattern.Canonical(name) is not { } host || (port is null && isTunnel))
        {
            return null;
        }

        why = "a header is malformed";
        if (isTunnel)
        {
            return new ProxyRequest(host, port!.Value, isTunnel, []);
        }

        var opening = OpeningOf(method, target, authority, lines);
        return opening is null ? null : new ProxyRequest(host, port ?? PlainPort, isTunnel, opening);
    }

    private static string? AuthorityOf(string target)
    {
        if (!target.StartsWith(Plain, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var rest = target.AsSpan(Plain.Length);
        var end = rest.IndexOfAny('/', '?', '#');
        return (end < 0 ? rest : rest[..end]).ToString();
    }

    // One request for each connection: what comes after it belongs to the same server.
    private static byte[]? OpeningOf(string method, string target, string authority, string[] lines)
    {
        var path = target[(Plain.Length + authority.Length)..];
        var opening = new StringBuilder();
        opening.Append(
            CultureInfo.InvariantCulture,
            $"{method} {(path.StartsWith('/') ? path : "/" + path)} HTTP/1.1\r\nHost: {authority}\r\n");
        foreach (var line in lines.Skip(1).TakeWhile(line => line.Length > 0))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || !line[..colon].All(IsTokenLetter) || line.AsSpan().ContainsAny('\r', '\n', '\0'))
            {
                return null;
            }

            if (!Dropped.Contains(line[..colon], StringComparer.OrdinalIgnoreCase))
            {
                opening.Append(line).Append("\r\n");
            }
        }

        return Encoding.Latin1.GetBytes(opening.Append("Connection: close\r\n\r\n").ToString());
    }

    private static bool IsTokenLetter(char letter) => letter is > ' ' and < (char)127 and not ':';
}
