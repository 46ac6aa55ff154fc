namespace Berth.Engine.Workspaces;

/// <summary>The two kinds of place that a repository can be at.</summary>
internal enum RepositoryKind
{
    /// <summary>A folder of this machine, named by its path. The result branch appears in it.</summary>
    Path,

    /// <summary>A URL. It is only read; the result branch is in the mirror.</summary>
    Url,
}

/// <summary>Where a repository is. Made by <see cref="Parse"/> alone, so one that exists is safe to hand to
/// git.</summary>
/// <param name="Kind">A path or a URL.</param>
/// <param name="Location">What git is given: the absolute path of the top level (or of a bare repository), or the URL.
/// Never a secret.</param>
/// <param name="Canonical">The same for every way of writing the same place; the mirror's name is made of it.</param>
internal sealed record RepositorySource(RepositoryKind Kind, string Location, string Canonical)
{
    /// <summary>Whether it was named by somebody for whom its host is judged before each transfer.</summary>
    public bool IsGuarded { get; init; }

    /// <summary>Reads a path or a URL as a person wrote it.</summary>
    /// <exception cref="Protocol.FailureException">
    /// <c>repository_invalid</c>, <c>repository_not_found</c>, <c>not_a_repository</c>, <c>repository_url_refused</c>,
    /// <c>credentials_in_url</c>.
    /// </exception>
    internal static RepositorySource Parse(string pathOrUrl, string currentDirectory) =>
        SourceText.Parse(pathOrUrl, currentDirectory);

    /// <summary>The same, for somebody who may not name every host. Paths are another matter.</summary>
    internal RepositorySource Guarded(bool isGuarded) =>
        this with { IsGuarded = isGuarded && Git.RemotePlace.Of(Location) is not null && Kind == RepositoryKind.Url };

    /// <summary>What an answer about it is remembered by: one who may reach more is answered otherwise.</summary>
    internal string Subject => IsGuarded ? $"guarded {Canonical}" : Canonical;

    /// <summary>Judges its host, where it is guarded. Before its mirror is used, too: what is there may have been
    /// fetched for somebody who may reach more.</summary>
    /// <exception cref="Protocol.FailureException"><c>repository_unreachable</c>.</exception>
    internal Task JudgeAsync(Git.GitProgram git, CancellationToken cancellation) =>
        IsGuarded ? git.JudgeAsync(Location, cancellation) : Task.CompletedTask;

    /// <summary>The location: what people are shown.</summary>
    public override string ToString() => Location;
}
