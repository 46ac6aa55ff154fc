using System.Net;
using Berth.Server.Access;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Server;

public sealed class FailedTokensTests
{
    private static readonly IPAddress Here = IPAddress.Loopback;

    [Fact]
    public void After_ten_wrong_tokens_an_address_waits_and_no_other_does()
    {
        var time = new ManualTime();
        var failures = new FailedTokens(time);
        for (var i = 0; i < 9; i++)
        {
            failures.Add(Here);
        }

        Assert.False(failures.IsBarred(Here));
        failures.Add(Here);
        Assert.True(failures.IsBarred(Here));
        Assert.False(failures.IsBarred(IPAddress.Parse("192.0.2.1")));
        time.Advance(TimeSpan.FromSeconds(6.1));
        Assert.False(failures.IsBarred(Here));
        failures.Add(Here);
        Assert.True(failures.IsBarred(Here));
    }

    [Fact]
    public void The_addresses_of_one_network_of_64_bits_count_as_one()
    {
        var failures = new FailedTokens(new ManualTime());
        for (var i = 0; i < 10; i++)
        {
            failures.Add(IPAddress.Parse($"2001:db8:0:1::{i + 1}"));
        }

        Assert.True(failures.IsBarred(IPAddress.Parse("2001:db8:0:1::ffff")));
        Assert.False(failures.IsBarred(IPAddress.Parse("2001:db8:0:2::1")));
    }
}
