using System.Net;
using System.Net.Sockets;
using Berth.Engine;
using Berth.Engine.Network;
using Berth.Protocol;
using Xunit;

namespace Berth.Tests.Git;

/// <summary>Which hosts an operator may have a server reach.</summary>
public sealed class RepositoryGuardTests
{
    private static readonly Dictionary<string, string[]> Names = new(StringComparer.Ordinal)
    {
        ["git.example.com"] = ["93.184.216.34"],
        ["six.example.com"] = ["2606:2800:220:1::1", "93.184.216.34"],
        ["mixed.example.com"] = ["93.184.216.34", "10.0.0.7"],
        ["inner.example.com"] = ["192.168.7.5"],
        ["metadata.google.internal"] = ["169.254.169.254"],
        ["localhost"] = ["127.0.0.1"],
        ["rebound.example.com"] = ["::ffff:127.0.0.1"],
        ["many.example.com"] = [.. Enumerable.Range(1, 17).Select(last => $"93.184.216.{last}")],
        ["none.example.com"] = [],
    };

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("https://127.0.0.1/r.git")]
    [InlineData("http://127.0.0.1:8080/r.git")]
    [InlineData("http://localhost/r.git")]
    [InlineData("https://LOCALHOST/r.git")]
    [InlineData("https://127.1/r.git")]
    [InlineData("https://2130706433/r.git")]
    [InlineData("https://0x7f000001/r.git")]
    [InlineData("https://0177.0.0.1/r.git")]
    [InlineData("https://0/r.git")]
    [InlineData("https://0.0.0.0/r.git")]
    [InlineData("https://[::1]/r.git")]
    [InlineData("https://[::]/r.git")]
    [InlineData("https://[0:0:0:0:0:0:0:1]/r.git")]
    [InlineData("https://[::ffff:127.0.0.1]/r.git")]
    [InlineData("https://[::ffff:7f00:1]/r.git")]
    [InlineData("https://[::127.0.0.1]/r.git")]
    [InlineData("https://[64:ff9b::7f00:1]/r.git")]
    [InlineData("https://[2002:7f00:1::]/r.git")]
    [InlineData("https://[fe80::1]/r.git")]
    [InlineData("https://[fd00::1]/r.git")]
    [InlineData("https://10.1.2.3/r.git")]
    [InlineData("https://172.16.0.1/r.git")]
    [InlineData("https://192.168.0.1/r.git")]
    [InlineData("https://100.64.0.1/r.git")]
    [InlineData("https://169.254.169.254/latest/meta-data.git")]
    [InlineData("https://168.63.129.16/r.git")]
    [InlineData("https://224.0.0.1/r.git")]
    [InlineData("https://255.255.255.255/r.git")]
    [InlineData("https://inner.example.com/r.git")]
    [InlineData("https://mixed.example.com/r.git")]
    [InlineData("https://rebound.example.com/r.git")]
    [InlineData("https://metadata.google.internal/r.git")]
    [InlineData("https://many.example.com/r.git")]
    [InlineData("https://none.example.com/r.git")]
    [InlineData("https://nosuch.example.com/r.git")]
    [InlineData("https://git.example.com./r.git")]
    [InlineData("https://gıt.example.com/r.git")]
    [InlineData("https://１２７.0.0.1/r.git")]
    [InlineData("https://git.example.com\\@127.0.0.1/r.git")]
    [InlineData("ssh://git@127.0.0.1/r.git")]
    [InlineData("ssh://git@inner.example.com:2222/r.git")]
    [InlineData("git@127.0.0.1:r.git")]
    [InlineData("git@2130706433:r.git")]
    [InlineData("[::1]:r.git")]
    [InlineData("localhost:r.git")]
    [InlineData("inner.example.com:r.git")]
    public async Task F51_What_is_inside_a_machine_or_a_network_is_refused_as_what_there_is_not(string location)
    {
        var refused = await Assert.ThrowsAsync<FailureException>(() => Guard().JudgeAsync(location, Soon));
        var absent = await Assert.ThrowsAsync<FailureException>(
            () => Guard().JudgeAsync("https://nosuch.example.com/r.git", Soon));

        Assert.Equal("repository_unreachable", refused.Failure.Code);
        Assert.Equal(
            absent.Failure.Message.Replace("https://nosuch.example.com/r.git", location, StringComparison.Ordinal),
            refused.Failure.Message);
        Assert.Equal((absent.Failure.Hint, absent.Failure.Fault), (refused.Failure.Hint, refused.Failure.Fault));
    }

    [Theory]
    [InlineData("https://git.example.com/r.git", "http.curloptResolve=git.example.com:443:93.184.216.34")]
    [InlineData("https://GIT.example.com:8443/r.git", "http.curloptResolve=git.example.com:8443:93.184.216.34")]
    [InlineData(
        "https://six.example.com/r.git",
        "http.curloptResolve=six.example.com:443:[2606:2800:220:1::1],93.184.216.34")]
    [InlineData("https://93.184.216.34/r.git", "http.curloptResolve=93.184.216.34:443:93.184.216.34")]
    public async Task F51_A_public_host_is_held_to_the_addresses_that_were_judged(string location, string setting)
    {
        var pin = await Guard().JudgeAsync(location, Soon);

        Assert.Contains(setting, pin.Arguments);
        Assert.Contains("http.followRedirects=false", pin.Arguments);
        Assert.Empty(pin.SshVariables);
    }

    [Theory]
    [InlineData("ssh://git@git.example.com/r.git", "git.example.com")]
    [InlineData("ssh://git@git.example.com:22/r.git", "git.example.com")]
    [InlineData("ssh://git@git.example.com:2222/r.git", "[git.example.com]:2222")]
    [InlineData("git@git.example.com:team/r.git", "git.example.com")]
    public async Task F51_Ssh_goes_to_the_address_and_asks_for_the_key_of_the_name(string location, string alias)
    {
        var pin = await Guard().JudgeAsync(location, Soon);

        Assert.Equal(
            [KeyValuePair.Create(GitErrand.SshAddress, "93.184.216.34"),
                KeyValuePair.Create(GitErrand.SshAlias, alias)],
            pin.SshVariables);
        Assert.DoesNotContain(pin.Arguments, word => word.StartsWith("http.curloptResolve", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://git.example.com/r.git", true)]
    [InlineData("https://six.example.com/r.git", false)]
    [InlineData("https://inner.example.com/r.git", true)]
    [InlineData("https://inner.example.com:8443/r.git", false)]
    [InlineData("ssh://git@inner.example.com/r.git", true)]
    [InlineData("ssh://git@inner.example.com:2222/r.git", false)]
    [InlineData("git@inner.example.com:r.git", true)]
    [InlineData("http://127.0.0.1:8080/r.git", true)]
    [InlineData("http://127.0.0.1:8081/r.git", false)]
    [InlineData("https://[fd00::1]/r.git", true)]
    [InlineData("https://a.corp.example.com/r.git", true)]
    [InlineData("https://b.corp.example.com/r.git", false)]
    [InlineData("https://corp.example.com/r.git", false)]
    public async Task F51_With_a_list_only_its_hosts_may_be_named_and_exact_ones_may_be_inner(
        string location, bool isPermitted)
    {
        Names.TryAdd("a.corp.example.com", ["93.184.216.34"]);
        Names.TryAdd("b.corp.example.com", ["10.0.0.9"]);
        Names.TryAdd("corp.example.com", ["93.184.216.34"]);
        var guard = Guard(
            "git.example.com", "inner.example.com", "127.0.0.1:8080", "fd00::1", "*.corp.example.com");

        if (isPermitted)
        {
            Assert.Contains("http.followRedirects=false", (await guard.JudgeAsync(location, Soon)).Arguments);
        }
        else
        {
            await Assert.ThrowsAsync<FailureException>(() => guard.JudgeAsync(location, Soon));
        }
    }

    private static RepositoryGuard Guard(params string[] hosts) => new(
        hosts.Length == 0 ? null : [.. hosts.Select(host => HostPattern.Parse(host)!)],
        (name, _) => Names.TryGetValue(name, out var addresses)
            ? Task.FromResult(addresses.Select(IPAddress.Parse).ToArray())
            : throw new SocketException((int)SocketError.HostNotFound));
}
