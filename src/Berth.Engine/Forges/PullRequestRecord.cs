namespace Berth.Engine.Forges;

/// <summary>A pull request, or as GitLab calls it a merge request.</summary>
/// <param name="Url">Its page.</param>
/// <param name="Number">Its number in the repository.</param>
internal sealed record PullRequestRecord(string Url, long Number);

/// <summary>A pull request to be opened.</summary>
/// <param name="Branch">What is to be merged.</param>
/// <param name="Base">Where it is to be merged to; null for the repository's default branch.</param>
/// <param name="Title">Its title, one line.</param>
/// <param name="Body">Its text, Markdown.</param>
internal sealed record PullRequestOrder(string Branch, string? Base, string Title, string Body);
