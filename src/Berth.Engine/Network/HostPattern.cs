using System.Globalization;
using System.Net;

namespace Berth.Engine.Network;

/// <summary>A host that may be reached: <c>NAME[:PORT]</c>, where a name is exact or <c>*.SUFFIX</c>.</summary>
/// <remarks>
/// <c>*.example.com</c> is every name below example.com and not example.com itself. Without a port it is the usual ones
/// of the web. An address is a name like any other; one of version 6 with a port stands in brackets.
/// </remarks>
/// <param name="Name">The name, or the suffix with its dot; in the form of <see cref="Canonical"/>.</param>
/// <param name="IsSuffix">Whether every name that ends so is meant.</param>
/// <param name="Port">The port, or null for <see cref="WebPorts"/>.</param>
internal sealed record HostPattern(string Name, bool IsSuffix, int? Port)
{
    /// <summary>What a text has to look like, for messages.</summary>
    public const string Expected =
        "NAME or NAME:PORT, where NAME is a host such as registry.npmjs.org or *.example.com";

    private const int LongestName = 253;
    private const int LongestLabel = 63;
    private const string Star = "*.";
    private static readonly int[] WebPorts = [443, 80];

    /// <summary>Reads a text, or gives null where it is none.</summary>
    public static HostPattern? Parse(string text)
    {
        var isSuffix = text.StartsWith(Star, StringComparison.Ordinal);
        if (Split(isSuffix ? text[Star.Length..] : text) is not var (host, port) || Canonical(host) is not { } name)
        {
            return null;
        }

        return !isSuffix ? new HostPattern(name, false, port)
            : IPAddress.TryParse(name, out _) ? null
            : new HostPattern("." + name, true, port);
    }

    /// <summary>One form for each host: lower case, no dot at the end, addresses as the system writes them; null where
    /// it cannot be a host's name.</summary>
    public static string? Canonical(string host)
    {
        if (IPAddress.TryParse(host, out var address))
        {
            return (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
        }

        var name = (host.EndsWith('.') ? host[..^1] : host).ToLowerInvariant();
        return name.Length is > 0 and <= LongestName && Array.TrueForAll(name.Split('.'), IsLabel) ? name : null;
    }

    /// <summary>Splits <c>HOST</c>, <c>HOST:PORT</c> and <c>[HOST]:PORT</c>; null where it is none of these.</summary>
    public static (string Host, int? Port)? Split(string text)
    {
        var end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) : -1;
        if (end > 0)
        {
            return (text[(end + 1)..], PortOf(text.AsSpan(end + 1))) switch
            {
                ("", _) => (text[1..end], null),
                (_, { } port) => (text[1..end], port),
                _ => null,
            };
        }

        var colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 || text.IndexOf(':', colon + 1) > 0)
        {
            // Several colons and no brackets: an address of version 6 without a port.
            return text.Length > 0 ? (text, null) : null;
        }

        return colon > 0 && PortOf(text.AsSpan(colon)) is { } number ? (text[..colon], number) : null;
    }

    /// <summary>Whether a host is meant.</summary>
    /// <param name="host">Its name as <see cref="Canonical"/> writes it.</param>
    /// <param name="port">The port.</param>
    public bool Matches(string host, int port) =>
        (Port is { } only ? only == port : Array.IndexOf(WebPorts, port) >= 0) && Names(host, isSuffix: false);

    /// <summary>Whether all that another one means is meant by this one too.</summary>
    public bool Covers(HostPattern other) =>
        (Port == other.Port || (Port is null && Array.IndexOf(WebPorts, other.Port ?? 0) >= 0))
        && Names(other.Name, other.IsSuffix);

    /// <summary>The text of it.</summary>
    public override string ToString()
    {
        var name = IsSuffix ? "*" + Name : Name;
        var bracketed = name.Contains(':', StringComparison.Ordinal) ? $"[{name}]" : name;
        return Port is { } port ? string.Create(CultureInfo.InvariantCulture, $"{bracketed}:{port}") : name;
    }

    private bool Names(string name, bool isSuffix) => IsSuffix
        ? name.EndsWith(Name, StringComparison.Ordinal) && (isSuffix || name.Length > Name.Length)
        : !isSuffix && string.Equals(name, Name, StringComparison.Ordinal);

    private static int? PortOf(ReadOnlySpan<char> text) =>
        text is [':', .. var digits]
        && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
        && port is > 0 and <= IPEndPoint.MaxPort
            ? port
            : null;

    private static bool IsLabel(string label) =>
        label.Length is > 0 and <= LongestLabel
        && label[0] != '-'
        && label.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_');
}
