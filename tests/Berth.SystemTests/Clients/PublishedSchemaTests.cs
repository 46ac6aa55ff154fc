using System.Text.Json;
using Berth.Engine.Forges;
using Berth.SystemTests.Delivery;
using Berth.SystemTests.Server;
using Xunit;

namespace Berth.SystemTests.Clients;

/// <summary>What Berth sends to others, held against what those others publish.</summary>
public sealed class PublishedSchemaTests
{
    private static readonly PullRequestOrder Order = new("berth/typed", "main", "A title", "A text")
    {
        IsDraft = true,
        Labels = ["bug", "good first issue"],
        Reviewers = ["ada"],
    };

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F61_Each_call_to_GitHub_is_one_of_its_published_schema()
    {
        await using var text = File.OpenRead(await ClientTools.GitHubSchemaAsync(Soon));
        using var document = await JsonDocument.ParseAsync(text, cancellationToken: Soon);
        var schema = new ForgeSchema(document);
        await using var service = await ForgeStandIn.StartAsync(Soon, schema);
        using var client = new ForgeClient(
            new Forge(ForgeKind.GitHub, new Uri(service.GitHub + "/"), ForgeStandIn.Token, "me/shop"),
            TimeProvider.System);

        var opened = await client.OpenAsync(Order with { Base = null, Reviewers = ["ada", "me/core"] }, Soon);
        var again = await client.OpenAsync(Order, Soon);

        Assert.Empty(opened.Warnings);
        Assert.Equal(opened.Number, again.Number);
        Assert.NotNull(schema.Wrong("POST", "/repos/me/shop/pulls", """{"title":"no head or base"}"""));
        Assert.NotNull(schema.Wrong("POST", "/repos/me/shop/pulls", """{"head":"a","base":"b","drafts":true}"""));
        Assert.NotNull(schema.Wrong("GET", "/repos/me/shop/pulls?state=opened", string.Empty));
        Assert.NotNull(schema.Wrong("PATCH", "/repos/me/shop/pulls", "{}"));
    }

    [Fact]
    public async Task F61_The_call_to_GitLab_is_the_one_that_its_typed_client_makes()
    {
        var folder = await ClientTools.NodeAsync("gitlab", Soon);
        await using var theirs = await ForgeStandIn.StartAsync(Soon);
        await using var ours = await ForgeStandIn.StartAsync(Soon);
        var input = new ProgramInput(new(StringComparer.Ordinal)
        {
            ["GITLAB_HOST"] = new Uri(theirs.GitLab).GetLeftPart(UriPartial.Authority),
            ["GITLAB_TOKEN"] = ForgeStandIn.Token,
        });
        Assert.Equal("41", (await ClientTools.RunAsync("node", folder, input, Soon, "open.mjs")).Trim());
        using var client = new ForgeClient(
            new Forge(ForgeKind.GitLab, new Uri(ours.GitLab + "/"), ForgeStandIn.Token, "me/shop"),
            TimeProvider.System);

        await client.OpenAsync(Order, Soon);

        var ((line, body), (ownLine, ownBody)) = (Assert.Single(theirs.Bodies), Assert.Single(ours.Bodies));
        Assert.Equal(line, ownLine);
        Assert.True(JsonElement.DeepEquals(
            JsonDocument.Parse(body).RootElement, JsonDocument.Parse(ownBody).RootElement), $"{body}\n{ownBody}");
    }

    [Fact]
    public async Task The_reference_library_of_Standard_Webhooks_knows_our_signatures()
    {
        const string Secret = "c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3Jl";
        var folder = await ClientTools.NodeAsync("webhooks", Soon);
        await using var receiver = await LoopbackReceiver.StartAsync(Soon);
        await using var server = await ServerHome.StartAsync(
            Soon,
            [
                ("BERTH_WEBHOOKS", new Uri(receiver.Url, "/hooks").AbsoluteUri),
                ("BERTH_WEBHOOK_SECRET", $"whsec_{Secret}"),
                ("BERTH_WEBHOOK_PRIVATE", "127.0.0.0/8"), ("BERTH_WEBHOOK_EVENTS", "run.finished"),
            ]);
        await server.FinalAsync(
            (await server.SubmitAsync("text Done.", Soon)).GetProperty("id").GetString()!, Soon);
        await Eventually.TrueAsync(() => receiver.Requests.Count > 0, "the message comes");
        var message = receiver.Requests[0];
        var body = System.Text.Encoding.UTF8.GetString(message.Body.Span);

        Assert.Equal("run.finished", await VerifyAsync(body));
        var forged = await Assert.ThrowsAsync<InvalidOperationException>(() => VerifyAsync(body + " "));
        Assert.Contains("No matching signature found", forged.Message, StringComparison.Ordinal);

        async Task<string> VerifyAsync(string text) => (await ClientTools.RunAsync(
            "node",
            folder,
            new ProgramInput(
                new(StringComparer.Ordinal) { ["SECRET"] = $"whsec_{Secret}" },
                JsonSerializer.Serialize(new { headers = message.Headers, body = text })),
            Soon,
            "verify.mjs")).Trim();
    }
}
