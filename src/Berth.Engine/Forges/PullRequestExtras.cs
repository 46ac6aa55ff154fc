using System.Globalization;
using System.Net;
using System.Text.Json;
using Berth.Protocol;

namespace Berth.Engine.Forges;

/// <summary>Labels and reviewers of a pull request. What of them the service refuses is a warning: the request itself
/// is open.</summary>
internal sealed class PullRequestExtras(ForgeKind kind, ForgeCalls calls)
{
    private readonly List<string> warnings = [];

    /// <summary>What could not be done.</summary>
    public IReadOnlyList<string> Warnings => warnings.Count == 0 ? Array.Empty<string>() : warnings;

    /// <summary>The numbers that GitLab has for accounts.</summary>
    public async Task<IReadOnlyList<long>> ReviewerIdsAsync(IReadOnlyList<string> names, CancellationToken cancel)
    {
        var ids = new List<long>();
        foreach (var name in names)
        {
            var answer = await calls.AskAsync(
                HttpMethod.Get, $"users?username={Uri.EscapeDataString(name)}", null, null, cancel);
            if (answer is { Status: HttpStatusCode.OK, Body: { ValueKind: JsonValueKind.Array } found }
                && found.GetArrayLength() > 0
                && ForgeAnswer.Member(found[0], "id") is { ValueKind: JsonValueKind.Number } id
                && id.TryGetInt64(out var number))
            {
                ids.Add(number);
            }
            else
            {
                Warn($"reviewer {name}", answer!);
            }
        }

        return ids;
    }

    /// <summary>Adds them to a request at GitHub. Done twice, this does no harm.</summary>
    public async Task AddAsync(string project, long number, PullRequestOrder order, CancellationToken cancel)
    {
        var at = number.ToString(CultureInfo.InvariantCulture);
        await EachAsync(
            "label", order.Labels, $"{project}/issues/{at}/labels", some => PullRequestBody.Lists(("labels", some)),
            cancel);
        await EachAsync(
            "reviewer", order.Reviewers, $"{project}/pulls/{at}/requested_reviewers", Reviewers, cancel);
    }

    // A team is named with its organization, and by the last part alone to the service.
    private static byte[] Reviewers(IReadOnlyList<string> names)
    {
        var (people, teams) = (new List<string>(), new List<string>());
        foreach (var name in names)
        {
            var slash = name.LastIndexOf('/');
            (slash < 0 ? people : teams).Add(name[(slash + 1)..]);
        }

        var lists = new List<(string, IReadOnlyList<string>)>();
        if (people.Count > 0)
        {
            lists.Add(("reviewers", people));
        }

        if (teams.Count > 0)
        {
            lists.Add(("team_reviewers", teams));
        }

        return PullRequestBody.Lists(lists);
    }

    // All at once; where that is refused one by one, so that one bad name does not keep out the others.
    private async Task EachAsync(
        string what, IReadOnlyList<string> names, string path, Func<IReadOnlyList<string>, byte[]> body,
        CancellationToken cancel)
    {
        if (names.Count > 0 && !await PostAsync(what, names, path, body(names), cancel))
        {
            foreach (var name in names)
            {
                await PostAsync(what, [name], path, body([name]), cancel);
            }
        }
    }

    // False where each should be asked for by itself.
    private async Task<bool> PostAsync(
        string what, IReadOnlyList<string> names, string path, byte[] body, CancellationToken cancel)
    {
        try
        {
            var answer = (await calls.AskAsync(HttpMethod.Post, path, body, null, cancel))!;
            if ((int)answer.Status is >= 200 and < 300)
            {
                return true;
            }

            if (answer.Status == HttpStatusCode.UnprocessableEntity && names.Count > 1)
            {
                return false;
            }

            Warn($"{what} {string.Join(", ", names)}", answer);
        }
        catch (FailureException failed)
        {
            // The request itself is open: that is worth more than its label.
            warnings.Add(
                $"The pull request is without the {what} {string.Join(", ", names)}: {failed.Failure.Message}");
        }

        return true;
    }

    private void Warn(string what, ForgeAnswer answer)
    {
        var why = answer.Status == HttpStatusCode.OK
            ? "there is no such account"
            : $"{(kind == ForgeKind.GitHub ? "GitHub" : "GitLab")} answered {(int)answer.Status} {answer.Message}";
        warnings.Add($"The pull request is without the {what}: {why}.");
    }
}
