using System.Net;
using Berth.Engine.Network;
using Xunit;

namespace Berth.Tests.Network;

public sealed class AddressGuardTests
{
    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("100.64.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("127.0.0.1")]
    [InlineData("127.255.255.254")]
    [InlineData("168.63.129.16")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.192")]
    [InlineData("192.168.1.1")]
    [InlineData("198.18.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("::127.0.0.1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("2002:7f00:1::")]
    [InlineData("2001:0:7f00:1::")]
    [InlineData("2001:db8::1")]
    [InlineData("fe80::1")]
    [InlineData("fc00::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("fec0::1")]
    [InlineData("ff02::1")]
    public void An_inner_address_is_refused(string address) =>
        Assert.False(new AddressGuard([]).Permits(IPAddress.Parse(address)));

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("100.128.0.1")]
    [InlineData("172.32.0.1")]
    [InlineData("::ffff:1.1.1.1")]
    [InlineData("2606:4700::1111")]
    public void A_public_address_is_permitted(string address) =>
        Assert.True(new AddressGuard([]).Permits(IPAddress.Parse(address)));

    [Theory]
    [InlineData("10.1.0.0/16", "10.1.2.3", true)]
    [InlineData("10.1.0.0/16", "10.2.2.3", false)]
    [InlineData("127.0.0.1", "127.0.0.1", true)]
    [InlineData("127.0.0.1", "::ffff:127.0.0.1", true)]
    [InlineData("127.0.0.1", "127.0.0.2", false)]
    [InlineData("::1", "::1", true)]
    [InlineData("fd00::/8", "fd12::1", true)]
    public void What_the_operator_has_named_is_permitted_and_nothing_else(string named, string address, bool isIn) =>
        Assert.Equal(isIn, new AddressGuard([AddressGuard.Read(named)!.Value]).Permits(IPAddress.Parse(address)));

    [Theory]
    [InlineData("")]
    [InlineData("localhost")]
    [InlineData("10.0.0.0/33")]
    public void What_is_no_address_is_none(string text) => Assert.Null(AddressGuard.Read(text));
}
