using Berth.Engine.Webhooks;
using Berth.Protocol;
using Berth.Tests.Commands;
using Xunit;

namespace Berth.Tests;

public sealed class WebhookSettingsTests
{
    [Fact]
    public void Receivers_are_bound_with_what_they_are_told_and_where_they_may_be()
    {
        using var trial = new TrialSurroundings(
            ("BERTH_WEBHOOKS", "https://a.example.com/x?y=1, http://10.1.2.3:8080/"),
            ("BERTH_WEBHOOK_EVENTS", "run.finished"),
            ("BERTH_WEBHOOK_PRIVATE", "10.1.0.0/16,::1"),
            ("BERTH_WEBHOOK_SECRET", "made-up"),
            ("BERTH_WEBHOOK_SECRET_FILE", "/run/secret"));

        var webhooks = Settings.Bind(trial.Given).Server.Webhooks;

        Assert.Equal([new("https://a.example.com/x?y=1"), new("http://10.1.2.3:8080/")], webhooks.Urls);
        Assert.Equal(["run.finished"], webhooks.Events);
        Assert.Equal(["10.1.0.0/16", "::1/128"], webhooks.Private.Select(network => network.ToString()));
        Assert.Equal(("made-up", "/run/secret"), (webhooks.Secret, webhooks.SecretFile));
    }

    [Theory]
    [InlineData("https://a.example.com/one https://a.example.com/two")]
    [InlineData("https://a.example.com/one  ,https://a.example.com/two")]
    [InlineData("https://a.example.com/one\thttps://a.example.com/two\n")]
    public void F65_Receivers_may_stand_apart_by_spaces_too(string value)
    {
        using var trial = new TrialSurroundings(("BERTH_WEBHOOKS", value));

        Assert.Equal(
            [new("https://a.example.com/one"), new("https://a.example.com/two")],
            Settings.Bind(trial.Given).Server.Webhooks.Urls);
    }

    [Fact]
    public void F65_Receivers_at_one_host_are_told_apart_without_their_paths()
    {
        var (one, two) = (
            new WebhookReceiver(new("https://a.example.com/made-up-1")),
            new WebhookReceiver(new("https://a.example.com/made-up-2")));

        Assert.NotEqual(one.Shown, two.Shown);
        Assert.Equal(one.Shown, new WebhookReceiver(new("https://a.example.com/made-up-1")).Shown);
        Assert.Matches(@"^https://a\.example\.com \([0-9a-f]{6}\)$", one.Shown);
    }

    [Theory]
    [InlineData("BERTH_WEBHOOKS", "https://a.example.com/made-up;https://b.example.com/")]
    [InlineData("BERTH_WEBHOOKS", "https://a.example.com/made-up|https://b.example.com/")]
    [InlineData("BERTH_WEBHOOKS", "https://a.example.com/made-up b.example.com")]
    [InlineData("BERTH_WEBHOOKS", "ftp://a.example.com/made-up")]
    [InlineData("BERTH_WEBHOOKS", "https://u:p@a.example.com/made-up")]
    [InlineData("BERTH_WEBHOOKS", "https://a.example.com/#made-up")]
    [InlineData("BERTH_WEBHOOK_EVENTS", "run.finished,run.exploded")]
    [InlineData("BERTH_WEBHOOK_PRIVATE", "10.1.0.0/16,inner")]
    public void What_is_none_is_refused_and_an_address_is_not_shown(string variable, string value)
    {
        using var trial = new TrialSurroundings((variable, value));

        var refused = Assert.Throws<FailureException>(() => Settings.Bind(trial.Given));

        Assert.Equal("setting_invalid", refused.Failure.Code);
        Assert.DoesNotContain("made-up", refused.Failure.Message, StringComparison.Ordinal);
    }
}
