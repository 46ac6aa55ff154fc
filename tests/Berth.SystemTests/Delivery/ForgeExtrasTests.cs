using System.Text.Json;
using Berth.Engine.Forges;
using Xunit;

namespace Berth.SystemTests.Delivery;

/// <summary>Drafts, labels and reviewers, at both services.</summary>
public sealed class ForgeExtrasTests
{
    private static readonly PullRequestOrder Order = new("work", "main", "A title", "A text")
    {
        IsDraft = true,
        Labels = ["bug", "good first issue"],
        Reviewers = ["ada", "me/core"],
    };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F61_At_GitHub_it_is_a_draft_with_labels_and_reviewers_and_one_bad_name_keeps_out_no_other()
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Unknown.Add("nobody");
        using var client = new ForgeClient(
            new Forge(ForgeKind.GitHub, new Uri(service.GitHub + "/"), ForgeStandIn.Token, "me/shop"),
            TimeProvider.System);

        var opened = await client.OpenAsync(Order with { Reviewers = ["ada", "nobody", "me/core"] }, Cancel);

        Assert.Matches("without the reviewer nobody: GitHub answered 422", Assert.Single(opened.Warnings));
        Assert.Equal(
            [
                """{"title":"A title","head":"work","base":"main","body":"A text","draft":true}""",
                """{"labels":["bug","good first issue"]}""",
                """{"reviewers":["ada","nobody"],"team_reviewers":["core"]}""", """{"reviewers":["ada"]}""",
                """{"reviewers":["nobody"]}""", """{"team_reviewers":["core"]}""",
            ],
            service.Bodies.Select(each => each.Body));
        Assert.Contains("POST /api/v3/repos/me/shop/issues/41/labels", service.Asked, StringComparer.Ordinal);
        Assert.Contains(
            "POST /api/v3/repos/me/shop/pulls/41/requested_reviewers", service.Asked, StringComparer.Ordinal);
    }

    [Fact]
    public async Task F61_At_GitLab_the_title_says_that_it_is_a_draft_and_reviewers_are_numbers()
    {
        await using var service = await ForgeStandIn.StartAsync(Cancel);
        service.Unknown.Add("nobody");
        using var client = new ForgeClient(
            new Forge(ForgeKind.GitLab, new Uri(service.GitLab + "/"), ForgeStandIn.Token, "me/shop"),
            TimeProvider.System);

        var opened = await client.OpenAsync(Order with { Reviewers = ["ada", "nobody"] }, Cancel);

        Assert.Matches("without the reviewer nobody: there is no such account", Assert.Single(opened.Warnings));
        using var sent = JsonDocument.Parse(Assert.Single(service.Bodies).Body);
        Assert.Equal("Draft: A title", sent.RootElement.GetProperty("title").GetString());
        Assert.Equal("bug,good first issue", sent.RootElement.GetProperty("labels").GetString());
        Assert.Equal("[3]", sent.RootElement.GetProperty("reviewer_ids").GetRawText());
    }
}
