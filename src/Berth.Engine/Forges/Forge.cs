using Berth.Engine.Git;

namespace Berth.Engine.Forges;

/// <summary>The two services whose REST APIs are known.</summary>
internal enum ForgeKind
{
    /// <summary>GitHub, or a GitHub Enterprise Server.</summary>
    GitHub,

    /// <summary>GitLab, at gitlab.com or anywhere.</summary>
    GitLab,
}

/// <summary>The service that has a repository, and the credential for its API.</summary>
/// <param name="Kind">Which API it speaks.</param>
/// <param name="Api">The API's address, with a slash at its end.</param>
/// <param name="Token">What it is shown.</param>
/// <param name="Repository">The repository's path there.</param>
internal sealed record Forge(ForgeKind Kind, Uri Api, string Token, string Repository)
{
    /// <summary>The service of a remote, or null where it is none that is known, or has no token.</summary>
    public static Forge? Of(string remote, GitCredential? credential)
    {
        if (credential?.Token is not { } token
            || RemotePlace.Of(remote) is not { } place
            || RemotePlace.PathOf(remote) is not { Length: > 0 } path
            || ApiOf(place.Host, credential.Api) is not { } api)
        {
            return null;
        }

        // The services name the version of their API in its address.
        var kind = api.AbsolutePath.Contains("/api/v4", StringComparison.Ordinal) ? ForgeKind.GitLab : ForgeKind.GitHub;
        return new Forge(kind, api, token, path);
    }

    private static Uri? ApiOf(string host, Uri? named) => named is not null
        ? new Uri(named.AbsoluteUri.TrimEnd('/') + '/')
        : host switch
        {
            "github.com" => new Uri("https://api.github.com/"),
            "gitlab.com" => new Uri("https://gitlab.com/api/v4/"),
            _ => null,
        };
}
