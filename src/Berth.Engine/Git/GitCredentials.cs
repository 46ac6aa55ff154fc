using System.Text.Json;
using System.Text.Json.Serialization;
using Berth.Protocol;

namespace Berth.Engine.Git;

/// <summary>The credentials for git servers: a file that nobody else can read, one entry for each host.</summary>
/// <remarks>
/// <c>{"github.com": {"token": "…"}, "git.example.org:8443": {"tokenFile": "/etc/berth/token", "user": "oauth2"},
/// "git.example.net": {"sshKey": "/etc/berth/id_ed25519"}}</c>. Read anew for each transfer, so a changed token counts
/// at once.
/// </remarks>
/// <param name="file">The file; it need not be there.</param>
internal sealed class GitCredentials(string? file)
{
    private const int MostBytes = 64 * 1024;
    private const int MostTokenBytes = 8 * 1024;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>The credential for a place, or null where there is none.</summary>
    /// <exception cref="FailureException"><c>git_credentials_exposed</c>, <c>git_credentials_invalid</c>,
    /// <c>git_credentials_unreadable</c>.</exception>
    public GitCredential? For(RemotePlace? place) =>
        place is not null && Read().TryGetValue(place.Name, out var entry) ? Resolve(place.Name, entry) : null;

    /// <summary>Every token, for what must not be shown.</summary>
    /// <exception cref="FailureException">As <see cref="For"/>.</exception>
    public IReadOnlyList<string> Secrets() =>
        [.. Read().Select(pair => Resolve(pair.Key, pair.Value).Token).OfType<string>()];

    private Dictionary<string, GitCredentialEntry> Read()
    {
        if (file is null || !File.Exists(file))
        {
            return [];
        }

        try
        {
            var entries = JsonSerializer.Deserialize(
                Text(file, MostBytes), GitCredentialJson.Default.DictionaryStringGitCredentialEntry) ?? [];
            return entries.Where(pair => pair.Value is not null)
                .ToDictionary(pair => pair.Key.ToLowerInvariant(), pair => pair.Value, StringComparer.Ordinal);
        }
        catch (Exception wrong) when (wrong is JsonException or ArgumentException)
        {
            // What is wrong is not repeated: it may be a part of a token.
            throw Invalid($"{file} is no file of git credentials.");
        }
    }

    private GitCredential Resolve(string host, GitCredentialEntry entry)
    {
        var token = entry is { Token: null, TokenFile: { } path }
            ? Text(Rooted(host, path), MostTokenBytes).Trim()
            : entry.Token;
        if ((token is null && entry.SshKey is null)
            || (entry.Api is { } address && ApiOf(address) is null)
            || token is not null && (token.Length == 0 || token.Any(letter => letter is <= ' ' or > '~'))
            || entry.User is { } user && (user.Length is 0 or > 200 || user.Any(char.IsControl)))
        {
            throw Invalid($"{file} has no usable entry for {host}.");
        }

        if (entry.SshKey is { } key)
        {
            _ = Text(Rooted(host, key), MostBytes);
        }

        var known = entry.KnownHosts is { } hosts ? Rooted(host, hosts) : null;
        return new GitCredential(entry.User ?? GitCredential.AnyUser, token, entry.SshKey, known)
        {
            Api = entry.Api is { } named ? ApiOf(named) : null,
        };
    }

    // A token goes there: encrypted, or on this machine.
    private static Uri? ApiOf(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url is { UserInfo: "", Query: "", Fragment: "" }
        && (url.Scheme is "https" || (url.Scheme is "http" && url.IsLoopback))
            ? url
            : null;

    private string Rooted(string host, string path) => Path.IsPathFullyQualified(path) && !path.Contains('"')
        ? path
        : throw Invalid($"{file}, {host}: {path} is no absolute path, or has a quotation mark in it.");

    private static string Text(string path, int most)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            if ((File.GetUnixFileMode(handle) & Others) != UnixFileMode.None)
            {
                throw new FailureException(
                    "git_credentials_exposed",
                    $"Others can read or write {path}.",
                    $"chmod 600 {ShellText.Quoted(path)}, and have new ones made where others may have read them.",
                    Fault.Operator);
            }

            if (RandomAccess.GetLength(handle) > most)
            {
                throw Invalid($"{path} is longer than {most} bytes.");
            }

            using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 1);
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "git_credentials_unreadable",
                $"{path} cannot be read: {wrong.Message}",
                "Let the user that Berth runs as read it, and nobody else.",
                Fault.Operator,
                wrong);
        }
    }

    private static FailureException Invalid(string message) => new(
        "git_credentials_invalid",
        message,
        "Write for each host a token, a tokenFile or an sshKey: {\"github.com\": {\"token\": \"…\"}}.",
        Fault.Operator);
}

/// <summary>What is shown to one git server.</summary>
/// <param name="User">The user's name that goes with the token.</param>
/// <param name="Token">The token or password for http and for the service's API, or null.</param>
/// <param name="SshKey">The private key's file, or null.</param>
/// <param name="KnownHosts">The file of the hosts' keys for ssh; null for ssh's own.</param>
internal sealed record GitCredential(string User, string? Token, string? SshKey, string? KnownHosts)
{
    /// <summary>The name for services that look at the token only, as GitHub and GitLab do.</summary>
    public const string AnyUser = "x-access-token";

    /// <summary>The address of the service's REST API; null for the one that is known of the host, if any.</summary>
    public Uri? Api { get; init; }
}

/// <summary>One entry of the file.</summary>
internal sealed record GitCredentialEntry(
    string? Token = null, string? TokenFile = null, string? User = null, string? SshKey = null,
    string? KnownHosts = null, string? Api = null);

/// <summary>How the file is read: a field that it does not know is an error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true)]
[JsonSerializable(typeof(Dictionary<string, GitCredentialEntry>))]
internal sealed partial class GitCredentialJson : JsonSerializerContext;
