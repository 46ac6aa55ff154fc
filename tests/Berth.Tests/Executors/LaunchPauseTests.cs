using Berth.Engine.Executors;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class LaunchPauseTests
{
    [Theory]
    [InlineData(0, 2)]
    [InlineData(32, 2)]
    [InlineData(320, 20)]
    [InlineData(3200, 200)]
    [InlineData(30000, 200)]
    public void The_longer_a_start_takes_the_more_seldom_it_is_looked_at(int waited, int pause) =>
        Assert.Equal(
            TimeSpan.FromMilliseconds(pause), LaunchPause.After(TimeSpan.FromMilliseconds(waited)));
}
