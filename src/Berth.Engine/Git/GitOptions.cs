namespace Berth.Engine.Git;

/// <summary>How git is run on the host.</summary>
internal sealed record GitOptions
{
    /// <summary>A folder of ours for git's own settings, so that the user's are only read where they are wanted. Made
    /// when needed.</summary>
    public required string ConfigFolder { get; init; }

    /// <summary>The git program; null, the default, for the one in PATH.</summary>
    public string? Program { get; init; }

    /// <summary>What is shown to git servers. Default: nothing.</summary>
    public GitCredentials Credentials { get; init; } = new(null);

    /// <summary>The program that git is given to ask for them: the supervisor's.</summary>
    public string? Helper { get; init; }

    /// <summary>Judges where a guarded call goes, and says what it is held to.</summary>
    public Func<string, CancellationToken, Task<RemotePin>>? Judge { get; init; }

    /// <summary>The environment to take PATH, HOME, proxies and the ssh agent from. Nothing named GIT_* is
    /// taken.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
}
