using System.Globalization;
using Berth.Engine;
using Berth.Engine.Runs;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class LocalModeFlagTests
{
    [Theory]
    [InlineData("on", "on", 0, "")]
    [InlineData("true", "on", 0, "")]
    [InlineData(" off ", "off", 0, "")]
    [InlineData("false", "off", 0, "")]
    [InlineData("0%", "0 %", 0, "")]
    [InlineData("25%", "25 %", 25, "")]
    [InlineData("100 %", "100 %", 100, "")]
    [InlineData("review", "review", 0, "review")]
    [InlineData("review, 5%,test", "5 %, review, test", 5, "review test")]
    public void It_is_read_as_people_write_it(string text, string shown, int percentage, string workflows)
    {
        var flag = LocalModeFlag.Parse(text)!;

        Assert.Equal((shown, percentage), (flag.Text, flag.Percentage));
        Assert.Equal(workflows, string.Join(' ', flag.Workflows));
        Assert.Equal(string.Equals(shown, "off", StringComparison.Ordinal), flag.IsOff);
        Assert.Equal(percentage > 0 || workflows.Length > 0, flag.IsRollOut);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("25")]
    [InlineData("101%")]
    [InlineData("-1%")]
    [InlineData("2.5%")]
    [InlineData("%")]
    [InlineData("5%, 6%")]
    [InlineData("on, review")]
    [InlineData("off, 5%")]
    [InlineData("re view")]
    [InlineData("../review")]
    public void What_is_no_flag_is_refused(string text) => Assert.Null(LocalModeFlag.Parse(text));

    [Fact]
    public async Task Without_a_roll_out_no_run_is_taken()
    {
        foreach (var text in new[] { "on", "off", "0%" })
        {
            Assert.Null(await LocalModeFlag.Parse(text)!.TakesAsync("0123", "review"));
        }
    }

    [Fact]
    public async Task A_named_workflow_is_taken_whatever_the_run_and_no_other_one()
    {
        var flag = LocalModeFlag.Parse("review, test")!;

        foreach (var id in Ids(20))
        {
            Assert.Equal("workflow review", await flag.TakesAsync(id, "review"));
            Assert.Null(await flag.TakesAsync(id, "Review"));
            Assert.Null(await flag.TakesAsync(id, "implement"));
        }
    }

    [Fact]
    public async Task A_percentage_takes_about_so_many_and_a_run_once_taken_stays_taken()
    {
        var ids = Ids(2000).ToList();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var percentage in new[] { 10, 25, 100 })
        {
            var flag = LocalModeFlag.Parse($"{percentage}%")!;
            var now = new List<string>();
            foreach (var id in ids)
            {
                if (await flag.TakesAsync(id, "implement") is { } why)
                {
                    Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"{percentage} %"), why);
                    now.Add(id);
                }
            }

            Assert.InRange(now.Count, 2000 * percentage / 100 * 7 / 10, 2000 * percentage / 100 * 13 / 10);
            Assert.Subset(now.ToHashSet(StringComparer.Ordinal), taken);
            taken = [.. now];
            Assert.Equal(
                taken.Contains(ids[7]),
                await LocalModeFlag.Parse($"{percentage}%")!.TakesAsync(ids[7], "implement") is not null);
        }

        Assert.Equal(2000, taken.Count);
    }

    // Real ids, for the share among them is what matters; from a clock that stands they would differ by chance only.
    private static IEnumerable<string> Ids(int count) =>
        Enumerable.Range(0, count).Select(_ => RunId.New(TimeProvider.System));
}
