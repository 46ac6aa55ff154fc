namespace Berth.Engine.Workflows;

/// <summary>Which labels and reviewers a pull request can be asked for.</summary>
internal static class PullRequestWords
{
    /// <summary>What a label is, for errors.</summary>
    public const string LabelExpected = "a label of 1 to 100 characters, without commas";

    /// <summary>What a reviewer is, for errors.</summary>
    public const string ReviewerExpected = "the name of an account, or at GitHub of a team as org/team";

    /// <summary>The most of each: what GitHub takes.</summary>
    public const int Most = 15;

    private const int Longest = 100;

    /// <summary>Whether a text can be a label. GitLab is given them with commas between.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= Longest && !text.Any(letter => letter is ',' || char.IsControl(letter))
        && !char.IsWhiteSpace(text[0]) && !char.IsWhiteSpace(text[^1]);

    /// <summary>Whether a text can name a reviewer.</summary>
    public static bool IsReviewer(string text)
    {
        var parts = text.Split('/');
        return text.Length <= Longest && parts.Length <= 2 && Array.TrueForAll(parts, IsAccount);
    }

    private static bool IsAccount(string text) =>
        text.Length > 0 && text[0] is not '-'
        && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-');
}
