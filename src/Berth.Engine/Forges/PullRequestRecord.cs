namespace Berth.Engine.Forges;

/// <summary>A pull request, or as GitLab calls it a merge request.</summary>
/// <param name="Url">Its page.</param>
/// <param name="Number">Its number in the repository.</param>
internal sealed record PullRequestRecord(string Url, long Number)
{
    /// <summary>The repository's page where it has been renamed or moved; null where it is where it was.</summary>
    public string? MovedTo { get; init; }

    /// <summary>What of the request could not be done: a label or a reviewer that the service refused.</summary>
    public IReadOnlyList<string> Warnings
    {
        get;
        init => field = value ?? [];
    } = [];
}

/// <summary>A pull request to be opened.</summary>
/// <param name="Branch">What is to be merged.</param>
/// <param name="Base">Where it is to be merged to; null for the repository's default branch.</param>
/// <param name="Title">Its title, one line.</param>
/// <param name="Body">Its text, Markdown.</param>
internal sealed record PullRequestOrder(string Branch, string? Base, string Title, string Body)
{
    /// <summary>Whether it is a draft.</summary>
    public bool IsDraft { get; init; }

    /// <summary>Its labels.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Who is asked to review it: names of accounts, at GitHub teams too, as <c>org/team</c>.</summary>
    public IReadOnlyList<string> Reviewers { get; init; } = [];
}
