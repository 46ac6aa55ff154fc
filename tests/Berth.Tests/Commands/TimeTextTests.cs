using Xunit;

namespace Berth.Tests.Commands;

public sealed class TimeTextTests
{
    [Theory]
    [InlineData("1s", 1)]
    [InlineData("90s", 90)]
    [InlineData("30m", 1800)]
    [InlineData("2h", 7200)]
    [InlineData("24h", 86400)]
    [InlineData("7d", 604800)]
    [InlineData("007s", 7)]
    public void A_number_and_its_unit_are_a_time(string text, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), TimeText.Read(text));

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("90")]
    [InlineData("-1s")]
    [InlineData("+1s")]
    [InlineData("1.5h")]
    [InlineData(" 1s")]
    [InlineData("1S")]
    [InlineData("1ms")]
    [InlineData("1h30m")]
    [InlineData("99999999999999999999s")]
    [InlineData("9223372036854775807h")]
    [InlineData("١s")]
    public void Anything_else_is_not(string text) => Assert.Null(TimeText.Read(text));

    [Theory]
    [InlineData("0s", false)]
    [InlineData("1s", true)]
    [InlineData("24h", true)]
    [InlineData("1d", true)]
    [InlineData("86401s", false)]
    public void Bounds_are_included(string text, bool isIn) =>
        Assert.Equal(isIn, TimeText.Read(text, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)) is not null);
}
