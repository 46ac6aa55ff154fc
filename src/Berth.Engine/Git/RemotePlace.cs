using System.Globalization;

namespace Berth.Engine.Git;

/// <summary>Who is at the other end of a transfer.</summary>
/// <param name="Scheme"><c>https</c>, <c>http</c> or <c>ssh</c>.</param>
/// <param name="Host">The host's name or address, in lower case.</param>
/// <param name="Port">The port, or null for the scheme's own.</param>
internal sealed record RemotePlace(string Scheme, string Host, int? Port)
{
    /// <summary>The host with its port, where it has one of its own: how it is named in the file of
    /// credentials.</summary>
    public string Name => Port is { } port ? string.Create(CultureInfo.InvariantCulture, $"{Host}:{port}") : Host;

    /// <summary>Reads what git is given, or what git says of a remote; null for a place on this machine.</summary>
    public static RemotePlace? Of(string location)
    {
        if (location.Contains("://", StringComparison.Ordinal))
        {
            return Uri.TryCreate(location, UriKind.Absolute, out var url) && url.Scheme is "https" or "http" or "ssh"
                ? new RemotePlace(url.Scheme, url.Host.ToLowerInvariant(), PortOf(url))
                : null;
        }

        // Git's own rule: a colon before the first slash makes it host:path.
        var bracket = location.IndexOf("]:", StringComparison.Ordinal);
        var colon = bracket >= 0 ? bracket + 1 : location.IndexOf(':', StringComparison.Ordinal);
        return colon <= 0 || location.AsSpan(0, colon).Contains('/')
            ? null
            : new RemotePlace("ssh", location[(location.IndexOf('@', 0, colon) + 1)..colon].ToLowerInvariant(), null);
    }

    /// <summary>The path of a repository at its host, without slashes around it and without <c>.git</c>.</summary>
    public static string? PathOf(string location)
    {
        var path = location.Contains("://", StringComparison.Ordinal)
            ? Uri.TryCreate(location, UriKind.Absolute, out var url) ? Uri.UnescapeDataString(url.AbsolutePath) : null
            : location[(location.LastIndexOf(':') + 1)..];
        path = path?.Trim('/');
        return path?.EndsWith(".git", StringComparison.Ordinal) == true ? path[..^4] : path;
    }

    private static int? PortOf(Uri url)
    {
        const int Ssh = 22;
        return url.Port < 0 || url.IsDefaultPort || (url.Scheme is "ssh" && url.Port == Ssh) ? null : url.Port;
    }
}
