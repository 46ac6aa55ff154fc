using System.Globalization;
using Berth.Engine.Runs;
using Berth.Engine.Workflows;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What a pull request says: the workflow's templates, filled in.</summary>
internal static class PullRequestText
{
    /// <summary>The title where the workflow has none.</summary>
    public const string Title = "{title}";

    /// <summary>The text where the workflow has none.</summary>
    public const string Body =
        "{summary}\n\n---\nMade by Berth: workflow {workflow}, run {run}, {turns} turns, {cost} US dollars.\n";

    private const int MostTitle = 200;
    private const int MostBody = 60_000;

    /// <summary>What the request and the workflow want of one; null for none.</summary>
    /// <exception cref="FailureException"><c>pull_request_not_asked</c>, <c>pull_request_invalid</c>.</exception>
    public static PullRequestPlan? PlanOf(RunRequest request, WorkflowSettings settings)
    {
        if (!request.PullRequest)
        {
            return request is { PullRequestDraft: null, PullRequestLabels: [], PullRequestReviewers: [] }
                ? null
                : throw new FailureException(
                    "pull_request_not_asked",
                    "A draft, labels or reviewers were asked for, and no pull request.",
                    "Give --pr too; in the API \"pullRequest\": true.",
                    Fault.User);
        }

        return new PullRequestPlan(settings.PullRequestTitle ?? Title, settings.PullRequestBody ?? Body)
        {
            IsDraft = request.PullRequestDraft ?? settings.PullRequestDraft,
            Labels = Checked(
                settings.PullRequestLabels, request.PullRequestLabels, PullRequestWords.IsLabel,
                PullRequestWords.LabelExpected),
            Reviewers = Checked(
                settings.PullRequestReviewers, request.PullRequestReviewers, PullRequestWords.IsReviewer,
                PullRequestWords.ReviewerExpected),
        };
    }

    private static List<string> Checked(
        IReadOnlyList<string> ofWorkflow, IReadOnlyList<string> asked, Func<string, bool> isWord, string expected)
    {
        var all = ofWorkflow.Concat(asked).Distinct(StringComparer.Ordinal).ToList();
        var wrong = all.Find(word => !isWord(word));
        return wrong is null && all.Count <= PullRequestWords.Most
            ? all
            : throw new FailureException(
                "pull_request_invalid",
                wrong is null
                    ? $"The pull request has {all.Count} labels or reviewers, and at most {PullRequestWords.Most} are "
                        + "possible."
                    : $"The pull request cannot have {PrintedText(wrong)}: expected {expected}.",
                "Leave it out, or write it differently.",
                Fault.User);
    }

    private static string PrintedText(string text) =>
        '"' + new string([.. text.Where(letter => !char.IsControl(letter)).Take(64)]) + '"';

    /// <summary>Fills a title in: one line.</summary>
    public static string TitleOf(string template, RunPlan plan, string id, RunOutcome outcome) =>
        Cut(new string([.. Fill(template, plan, id, outcome).Select(letter => char.IsControl(letter) ? ' ' : letter)]),
            MostTitle);

    /// <summary>Fills a text in.</summary>
    public static string BodyOf(string template, RunPlan plan, string id, RunOutcome outcome) =>
        Cut(Fill(template, plan, id, outcome), MostBody);

    /// <summary>There is nobody who could be asked for one.</summary>
    public static FailureException Impossible(string remote) => new(
        "pull_request_impossible",
        $"A pull request was asked for, and {remote} is at no service that Berth knows, or has no token.",
        "Put the host with a token, and an api where it is not github.com or gitlab.com, into the file of git "
            + "credentials.",
        Fault.Operator);

    // In one pass, so that nothing of what is put in is taken for a place to put something in.
    private static string Fill(string template, RunPlan plan, string id, RunOutcome outcome)
    {
        var filled = new System.Text.StringBuilder();
        for (var at = 0; at < template.Length;)
        {
            var end = template[at] is '{' ? template.IndexOf('}', at) : -1;
            if (end > 0 && Value(template[(at + 1)..end], plan, id, outcome) is { } value)
            {
                filled.Append(value);
                at = end + 1;
            }
            else
            {
                filled.Append(template[at++]);
            }
        }

        return filled.ToString();
    }

    private static string? Value(string name, RunPlan plan, string id, RunOutcome outcome) => name switch
    {
        "workflow" => plan.Workflow,
        "title" => plan.Title,
        "summary" => outcome.Result ?? string.Empty,
        "run" => id,
        "turns" => outcome.Turns.ToString(CultureInfo.InvariantCulture),
        "cost" => outcome.CostUsd.ToString("0.####", CultureInfo.InvariantCulture),
        _ => null,
    };

    private static string Cut(string text, int most) => text.Length > most ? text[..(most - 1)] + "…" : text;
}
