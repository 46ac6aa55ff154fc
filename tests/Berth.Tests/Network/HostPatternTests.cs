using Berth.Engine.Network;
using Xunit;

namespace Berth.Tests.Network;

public sealed class HostPatternTests
{
    [Theory]
    [InlineData("registry.npmjs.org", "registry.npmjs.org", 443, true)]
    [InlineData("registry.npmjs.org", "registry.npmjs.org", 80, true)]
    [InlineData("registry.npmjs.org", "registry.npmjs.org", 22, false)]
    [InlineData("Registry.NPMjs.org.", "registry.npmjs.org", 443, true)]
    [InlineData("registry.npmjs.org", "evil-registry.npmjs.org", 443, false)]
    [InlineData("registry.npmjs.org", "registry.npmjs.org.evil.example", 443, false)]
    [InlineData("example.com:8443", "example.com", 8443, true)]
    [InlineData("example.com:8443", "example.com", 443, false)]
    [InlineData("*.example.com", "a.example.com", 443, true)]
    [InlineData("*.example.com", "a.b.example.com", 443, true)]
    [InlineData("*.example.com", "example.com", 443, false)]
    [InlineData("*.example.com", "evilexample.com", 443, false)]
    [InlineData("*.example.com:22", "a.example.com", 22, true)]
    [InlineData("10.1.2.3", "10.1.2.3", 443, true)]
    [InlineData("[::1]:8080", "::1", 8080, true)]
    [InlineData("::1", "::1", 443, true)]
    [InlineData("127.0.0.1", "::ffff:127.0.0.1", 443, true)]
    [InlineData("127.0.0.1", "2130706433", 443, true)]
    public void A_pattern_means_what_it_says(string pattern, string host, int port, bool isMeant) =>
        Assert.Equal(isMeant, HostPattern.Parse(pattern)!.Matches(HostPattern.Canonical(host)!, port));

    [Theory]
    [InlineData("")]
    [InlineData("*")]
    [InlineData("*.")]
    [InlineData("a.*.com")]
    [InlineData("*.10.0.0.1")]
    [InlineData("example.com:")]
    [InlineData("example.com:0")]
    [InlineData("example.com:65536")]
    [InlineData("example.com:https")]
    [InlineData("https://example.com")]
    [InlineData("example.com/path")]
    [InlineData("user@example.com")]
    [InlineData("-example.com")]
    [InlineData("exa mple.com")]
    [InlineData("a..b")]
    [InlineData("\u0435xample.com")]
    [InlineData("[::1")]
    [InlineData("[::1]8080")]
    public void What_is_no_host_is_none(string pattern) => Assert.Null(HostPattern.Parse(pattern));

    [Theory]
    [InlineData("*.example.com", "a.example.com", true)]
    [InlineData("*.example.com", "*.a.example.com", true)]
    [InlineData("*.example.com", "*.example.com", true)]
    [InlineData("*.example.com", "a.example.com:443", true)]
    [InlineData("*.example.com", "a.example.com:22", false)]
    [InlineData("*.example.com:443", "a.example.com", false)]
    [InlineData("*.a.example.com", "*.example.com", false)]
    [InlineData("a.example.com", "*.example.com", false)]
    [InlineData("example.com", "*.example.com", false)]
    [InlineData("example.com:22", "example.com:22", true)]
    public void A_bound_covers_what_is_within_it(string bound, string asked, bool isWithin) =>
        Assert.Equal(isWithin, HostPattern.Parse(bound)!.Covers(HostPattern.Parse(asked)!));

    [Theory]
    [InlineData("Example.COM.", "example.com")]
    [InlineData("*.Example.com:8443", "*.example.com:8443")]
    [InlineData("[::1]:80", "[::1]:80")]
    [InlineData("0x7f.1", "127.0.0.1")]
    public void It_is_written_in_one_way(string text, string written) =>
        Assert.Equal(written, HostPattern.Parse(text)!.ToString());
}
