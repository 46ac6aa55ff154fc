using Xunit;

namespace Berth.Tests.Commands;

public sealed class SizeTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData("500B", 500)]
    [InlineData("1K", 1024)]
    [InlineData("20GB", 20L * 1024 * 1024 * 1024)]
    [InlineData("20gib", 20L * 1024 * 1024 * 1024)]
    [InlineData("3T", 3L * 1024 * 1024 * 1024 * 1024)]
    public void Sizes_are_read(string text, long bytes) => Assert.Equal(bytes, SizeText.Read(text));

    [Theory]
    [InlineData("")]
    [InlineData("G")]
    [InlineData("B")]
    [InlineData("1KK")]
    [InlineData("1BK")]
    [InlineData("1I")]
    [InlineData("1IB")]
    [InlineData("-1")]
    [InlineData("1.5G")]
    [InlineData("1 G")]
    [InlineData("1P")]
    [InlineData("9223372036854775808")]
    [InlineData("8388608T")]
    public void What_is_none_is_not_read(string text) => Assert.Null(SizeText.Read(text));

    [Fact]
    public void The_bound_holds_after_the_unit()
    {
        Assert.Equal(1024, SizeText.Read("1K", 1024));
        Assert.Null(SizeText.Read("1025", 1024));
        Assert.Null(SizeText.Read("2K", 1024));
    }
}
