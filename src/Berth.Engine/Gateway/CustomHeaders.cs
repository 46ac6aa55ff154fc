namespace Berth.Engine.Gateway;

/// <summary>Headers that the operator adds to each call of the model. They may hold secrets, so only the gateway has
/// them, and no agent.</summary>
/// <param name="All">Names and values, in the order in which they were given.</param>
internal sealed record CustomHeaders(IReadOnlyList<KeyValuePair<string, string>> All)
{
    private const int Most = 100;
    private const int LongestValue = 16 * 1024;

    // From this on a value is more likely a key than a word that the transcript needs.
    private const int ShortestSecret = 20;

    // They belong to the connection or to the request as it is.
    private static readonly HashSet<string> NotTheirs = new(StringComparer.OrdinalIgnoreCase)
    {
        "Host", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Content-Type", "Content-Encoding",
        "Accept-Encoding", "Expect", "TE", "Trailer", "Upgrade", "Proxy-Connection",
    };

    private static readonly string[] SecretNames =
        ["auth", "key", "token", "secret", "cookie", "password", "signature", "credential"];

    /// <summary>None.</summary>
    public static CustomHeaders None { get; } = new([]);

    /// <summary>Whether one of them says who calls.</summary>
    public bool Authenticate => All.Any(header => IsCredential(header.Key));

    /// <summary>The values that no transcript may show.</summary>
    public IEnumerable<string> Secrets => All
        .Where(header => header.Value.Length >= ShortestSecret || Array.Exists(
            SecretNames, name => header.Key.Contains(name, StringComparison.OrdinalIgnoreCase)))
        .SelectMany(header => new[] { header.Value, header.Value[(header.Value.LastIndexOf(' ') + 1)..] })
        .Where(value => value.Length > 0)
        .Distinct(StringComparer.Ordinal);

    /// <summary>Reads lines of <c>Name: value</c>, as Claude Code does; null where one of them is none.</summary>
    public static CustomHeaders? Parse(string text)
    {
        var headers = new List<KeyValuePair<string, string>>();
        foreach (var line in text.Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.AsSpan().IsWhiteSpace())
            {
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var name = colon < 0 ? string.Empty : line[..colon].Trim();
            var value = line[(colon + 1)..].Trim();
            if (!IsName(name) || NotTheirs.Contains(name) || value.Length > LongestValue
                || !value.All(letter => letter is >= ' ' and <= '~') || headers.Count == Most)
            {
                return null;
            }

            headers.Add(new(name, value));
        }

        return new CustomHeaders(headers);
    }

    /// <summary>Puts them on a request, in the place of what it has under these names.</summary>
    public void AddTo(HttpRequestMessage request)
    {
        foreach (var name in All.Select(header => header.Key).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            request.Headers.Remove(name);
        }

        foreach (var (name, value) in All)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static bool IsCredential(string name) =>
        name.Equals("Authorization", StringComparison.OrdinalIgnoreCase)
        || name.Equals("x-api-key", StringComparison.OrdinalIgnoreCase);

    private static bool IsName(string name) => name.Length is > 0 and <= 200
        && name.All(letter => char.IsAsciiLetterOrDigit(letter) || "!#$%&'*+-.^_`|~".Contains(letter));
}
