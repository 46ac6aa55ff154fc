using System.Net;
using System.Text.RegularExpressions;
using Berth.Protocol;

namespace Berth.Engine.Workspaces;

/// <summary>Reads what a person wrote for a repository: a path, a URL, or <c>host:path</c> as ssh has it.</summary>
/// <remarks>
/// What is refused here is what git would run or send away: other transports (<c>ext::</c> runs a command), a host that
/// ssh would take
/// for an option, and credentials, which end in process lists and logs. A refused URL with credentials is never
/// repeated to anyone.
/// </remarks>
internal static partial class SourceText
{
    private const int MaxLength = 4_096;
    private const string UrlHint = "Give a path, or an https://, ssh:// or file:// URL, or host:path.";

    internal static RepositorySource Parse(string text, string currentDirectory)
    {
        if (text.Length is 0 or > MaxLength || text.Any(char.IsControl))
        {
            throw Refuse(
                "repository_invalid", "The repository is empty, too long, or holds a control character.", UrlHint);
        }

        if (text[0] == '-')
        {
            throw Refuse("repository_invalid", $"The repository '{text}' starts with a dash.",
                "Write ./ before a path that starts with a dash.");
        }

        if (text.Contains("://", StringComparison.Ordinal))
        {
            return ParseUrl(text);
        }

        if (Transport().IsMatch(text))
        {
            throw Refuse("repository_url_refused",
                "Git transports written as 'name::address' are refused: they run programs.", UrlHint);
        }

        // Git's own rule: a colon before the first slash makes it host:path.
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return colon > 0 && (slash < 0 || colon < slash)
            ? ParseHostAndPath(text)
            : ParsePath(Path.GetFullPath(text, currentDirectory), text);
    }

    private static RepositorySource ParseUrl(string text)
    {
        var scheme = text[..text.IndexOf("://", StringComparison.Ordinal)].ToLowerInvariant();
        var rest = text[(scheme.Length + 3)..];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        var authority = slash < 0 ? rest : rest[..slash];
        CheckAuthority(scheme, authority);
        var shown = $"{scheme}://{rest}";
        if (slash < 0 || slash == rest.Length - 1 || rest.AsSpan().ContainsAny(" \\"))
        {
            throw Refuse("repository_invalid", $"The URL '{shown}' names no repository, or holds a space or backslash.",
                UrlHint);
        }

        if (rest.AsSpan().ContainsAny("?#"))
        {
            throw Refuse("repository_url_refused", "A URL with '?' or '#' is refused: credentials are often put there.",
                UrlHint);
        }

        if (scheme is "file")
        {
            return ParseFileUrl(authority, shown);
        }

        if (!Uri.TryCreate(shown, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            throw Refuse("repository_invalid", $"The URL '{shown}' cannot be read.", UrlHint);
        }

        if (scheme is "http" && !IsLoopback(uri.Host))
        {
            throw Refuse(
                "repository_url_refused", $"'{shown}' is neither encrypted nor on this machine.", "Use https://.");
        }

        var user = authority.Contains('@', StringComparison.Ordinal) ? authority[..(authority.LastIndexOf('@') + 1)]
            : string.Empty;
        var port = uri.Port > 0 && !(scheme is "ssh" ? uri.Port == 22 : uri.IsDefaultPort) ? $":{uri.Port}"
            : string.Empty;
        var canonical = $"{scheme}://{user}{uri.Host.ToLowerInvariant()}{port}{rest[slash..].TrimEnd('/')}";
        return new RepositorySource(RepositoryKind.Url, shown, canonical);
    }

    private static void CheckAuthority(string scheme, string authority)
    {
        if (scheme is not ("https" or "http" or "ssh" or "file"))
        {
            throw Refuse("repository_url_refused", $"URLs that start with '{scheme}://' are refused.", UrlHint);
        }

        var at = authority.LastIndexOf('@');
        var user = at < 0 ? string.Empty : authority[..at];
        if (user.Length > 0 && (scheme is not "ssh" || user.Contains(':', StringComparison.Ordinal)))
        {
            throw Refuse(
                "credentials_in_url",
                $"The {scheme}:// URL holds a user name, password or token; it is refused and not repeated here.",
                "Take it out (and change it, if it is a secret), and set up a git credential helper or an ssh key.");
        }

        if (user.StartsWith('-')
            || authority[(at + 1)..].StartsWith('-') || authority.Contains('%', StringComparison.Ordinal))
        {
            throw Refuse(
                "repository_url_refused", "The host or user of the URL starts with a dash or is escaped.", UrlHint);
        }
    }

    private static RepositorySource ParseFileUrl(string authority, string shown)
    {
        if (authority is not ("" or "localhost") || shown.Contains('%', StringComparison.Ordinal))
        {
            throw Refuse("repository_url_refused", $"'{shown}' names another machine, or is escaped.", "Use a path.");
        }

        var path = shown[("file://".Length + authority.Length)..];
        var found = ParsePath(path, shown);
        return new RepositorySource(RepositoryKind.Url, $"file://{found.Location}", found.Canonical);
    }

    private static RepositorySource ParseHostAndPath(string text)
    {
        var parts = HostAndPath().Match(text);
        if (!parts.Success)
        {
            var hint = "Write host:path or user@host:path; write ./ before a path that holds a colon.";
            throw Refuse("repository_url_refused", "What stands before the colon is no host name.", hint);
        }

        var canonical = $"{parts.Groups["user"].Value}{parts.Groups["host"].Value.ToLowerInvariant()}:"
            + parts.Groups["path"].Value.TrimEnd('/');
        return new RepositorySource(RepositoryKind.Url, text, canonical);
    }

    private static RepositorySource ParsePath(string path, string written)
    {
        if (!Directory.Exists(path))
        {
            throw Refuse(
                "repository_not_found", $"There is no folder '{written}'.", "Check the path given as the repository.");
        }

        var real = RealPath(path);
        for (var folder = new DirectoryInfo(real); folder is not null; folder = folder.Parent)
        {
            var inside = Path.Combine(folder.FullName, ".git");
            if (File.Exists(inside) || IsGitFolder(inside))
            {
                return new RepositorySource(RepositoryKind.Path, folder.FullName, $"file://{folder.FullName}");
            }

            if (IsGitFolder(folder.FullName) && folder.Name is not ".git")
            {
                return new RepositorySource(RepositoryKind.Path, folder.FullName, $"file://{folder.FullName}");
            }
        }

        var create = "Run 'git init' there, or name another folder with --repo.";
        throw Refuse("not_a_repository", $"'{written}' is not in a git repository.", create);
    }

    private static bool IsGitFolder(string folder) =>
        File.Exists(Path.Combine(folder, "HEAD"))
        && Directory.Exists(Path.Combine(folder, "objects"))
        && Directory.Exists(Path.Combine(folder, "refs"));

    /// <summary>Follows symbolic links in every part, so that two ways to one folder share a mirror.</summary>
    private static string RealPath(string path)
    {
        const int MaxLinks = 40;
        var links = 0;
        var open = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var real = "/";
        while (open.TryPop(out var part))
        {
            var next = part is ".." ? Path.GetDirectoryName(real) ?? "/" : part is "." ? real
                : Path.Combine(real, part);
            if (new DirectoryInfo(next).LinkTarget is not { } target || ++links > MaxLinks)
            {
                real = next;
                continue;
            }

            real = Path.IsPathRooted(target) ? "/" : real;
            foreach (var step in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
            {
                open.Push(step);
            }
        }

        return real;
    }

    private static bool IsLoopback(string host) =>
        host is "localhost"
            || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    private static FailureException Refuse(string code, string message, string hint) =>
        new(code, message, hint, Fault.User);

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9+.-]*::", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Transport();

    [GeneratedRegex(
        @"^(?<user>[A-Za-z0-9_][A-Za-z0-9_.-]*@)?(?<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\]):"
        + @"(?<path>[^-\s][^\s]*)$",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        1000)]
    private static partial Regex HostAndPath();
}
