using System.Globalization;
using Berth.Terminal;
using Xunit;

namespace Berth.Tests.Terminal;

public sealed class AmountsTests
{
    [Theory]
    [InlineData(0, "0 ms")]
    [InlineData(38.4, "38 ms")]
    [InlineData(999.6, "1.0 s")]
    [InlineData(4_200, "4.2 s")]
    [InlineData(59_960, "0 min 59 s")]
    [InlineData(185_000, "3 min 5 s")]
    [InlineData(7_440_000, "2 h 4 min")]
    [InlineData(273_600_000, "3 d 4 h")]
    public void Times_are_short(double milliseconds, string expected) =>
        Assert.Equal(expected, Amounts.Time(TimeSpan.FromMilliseconds(milliseconds)));

    [Theory]
    [InlineData("0", "$0")]
    [InlineData("0.00001", "under $0.0001")]
    [InlineData("0.0243", "$0.0243")]
    [InlineData("0.02", "$0.02")]
    [InlineData("1.239", "$1.24")]
    public void Dollars_have_as_many_digits_as_matter(string cost, string expected) =>
        Assert.Equal(expected, Amounts.Dollars(decimal.Parse(cost, CultureInfo.InvariantCulture)));

    [Theory]
    [InlineData(950, "950")]
    [InlineData(12_400, "12.4k")]
    [InlineData(3_100_000, "3.1M")]
    public void Counts_are_short(long count, string expected) => Assert.Equal(expected, Amounts.Count(count));

    [Theory]
    [InlineData(12, "12 B")]
    [InlineData(12_288, "12 KiB")]
    [InlineData(3_565_158, "3.4 MiB")]
    [InlineData(5_368_709_120, "5 GiB")]
    public void Sizes_are_short(long bytes, string expected) => Assert.Equal(expected, Amounts.Bytes(bytes));

    [Theory]
    [InlineData(-5, "0:00")]
    [InlineData(7, "0:07")]
    [InlineData(750, "12:30")]
    [InlineData(3_723, "1:02:03")]
    public void Clocks_count_from_the_beginning(int seconds, string expected) =>
        Assert.Equal(expected, Amounts.Clock(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(1, "now")]
    [InlineData(12, "12 s ago")]
    [InlineData(300, "5 min ago")]
    [InlineData(7_200, "2 h ago")]
    [InlineData(259_200, "3 d ago")]
    public void Ages_are_rough(int seconds, string expected) =>
        Assert.Equal(expected, Amounts.Age(TimeSpan.FromSeconds(seconds)));
}
