using Berth.Engine.Webhooks;
using Berth.Protocol;
using Berth.Server.Webhooks;
using Xunit;

namespace Berth.Tests.Server;

public sealed class WebhookSigningTests
{
    // The example of the specification's own libraries.
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string Signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    [Fact]
    public void A_signature_is_that_of_Standard_Webhooks()
    {
        Assert.Equal(Signature, Sign(Secret));
        Assert.Equal(Signature, Sign(Secret["whsec_".Length..]));
    }

    [Fact]
    public void While_receivers_change_over_both_keys_sign()
    {
        var both = Sign($"{Secret} whsec_{Convert.ToBase64String(new byte[32])}").Split(' ');

        Assert.Equal(2, both.Length);
        Assert.Equal(Signature, both[0]);
        Assert.StartsWith("v1,", both[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("whsec_")]
    [InlineData("not base 64!")]
    [InlineData("c2hvcnQ=")]
    [InlineData(Secret + " c2hvcnQ=")]
    public void A_secret_that_is_none_is_refused_and_not_shown(string secret)
    {
        var refused = Assert.Throws<FailureException>(() => Sign(secret));

        Assert.Equal("webhook_secret_invalid", refused.Failure.Code);
        Assert.DoesNotContain(secret, refused.Failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_is_tried_ten_times_over_about_a_day()
    {
        var pauses = Enumerable.Range(1, 9).Select(tries => WebhookSender.PauseAfter(tries, 0.5)!.Value).ToList();

        Assert.InRange(pauses.Aggregate((a, b) => a + b), TimeSpan.FromHours(20), TimeSpan.FromHours(28));
        Assert.Equal(pauses.Order(), pauses);
        Assert.Null(WebhookSender.PauseAfter(10, 0.5));
        Assert.True(WebhookSender.PauseAfter(3, 0) < WebhookSender.PauseAfter(3, 1));
    }

    private static string Sign(string secret) => WebhookKeys
        .Read(new WebhookOptions { Urls = [new("https://example.com/")], Secret = secret })
        .Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", DateTimeOffset.FromUnixTimeSeconds(1614265330), "{\"test\": 2432232314}");
}
