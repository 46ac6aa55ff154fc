using Berth.Engine.Runs;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunIdTests
{
    [Fact]
    public void Ids_are_unique_safe_and_sort_by_time()
    {
        var ids = Enumerable.Range(0, 1000).Select(_ => RunId.New(TimeProvider.System)).ToList();

        Assert.Equal(ids.Count, ids.Distinct(StringComparer.Ordinal).Count());
        Assert.All(ids, id => Assert.True(RunId.IsFragment(id) && id.Length == 26));
        Assert.True(string.CompareOrdinal(RunId.New(new Fixed(1000)), RunId.New(new Fixed(2000))) < 0);
    }

    [Theory]
    [InlineData("")]
    [InlineData("../x")]
    [InlineData("a b")]
    [InlineData("%2e")]
    [InlineData("abcdefghijklmnopqrstuvwxyz0")]
    public void Whatever_cannot_be_part_of_an_id_is_no_fragment(string text) => Assert.False(RunId.IsFragment(text));

    private sealed class Fixed(long milliseconds) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
    }
}
