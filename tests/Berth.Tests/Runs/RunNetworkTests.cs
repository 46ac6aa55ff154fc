using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Protocol;
using Berth.Tests.Commands;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunNetworkTests
{
    private static readonly NetworkPolicy Workflows = new(NetworkMode.Allowlist, ["a.example.com"]);

    [Theory]
    [InlineData(null, null, "allowlist (a.example.com)")]
    [InlineData(null, "B.example.com", "allowlist (a.example.com, b.example.com)")]
    [InlineData("allowlist", null, "allowlist (a.example.com)")]
    [InlineData("none", null, "none")]
    [InlineData("open", null, "open")]
    public void What_is_asked_for_outranks_the_workflow(string? network, string? host, string expected) =>
        Assert.Equal(expected, Decide(Bound(), Asking(network, host), Workflows).ToString());

    [Fact]
    public void Without_a_word_nothing_is_reached_and_hosts_alone_are_a_list()
    {
        Assert.Equal("none", Decide(Bound(), Asking(null, null), null).ToString());
        Assert.Equal("allowlist (x.org:22)", Decide(Bound(), Asking(null, "x.org:22"), null).ToString());
        Assert.Equal(
            "allowlist (x.org)", Decide(Bound(), Asking(null, "x.org"), NetworkPolicy.Of(NetworkMode.Open)).ToString());
    }

    [Theory]
    [InlineData("all", null, "network_unknown")]
    [InlineData("none", "x.org", "network_hosts_unused")]
    [InlineData("open", "x.org", "network_hosts_unused")]
    [InlineData("allowlist", null, "network_hosts_missing")]
    [InlineData(null, "*", "network_host_invalid")]
    [InlineData(null, "https://x.org", "network_host_invalid")]
    public void What_cannot_be_meant_is_refused(string? network, string? host, string code) =>
        Assert.Equal(code, Refused(() => Decide(Bound(), Asking(network, host), null)));

    [Fact]
    public void What_the_operator_does_not_permit_is_refused()
    {
        const string Code = "network_not_permitted";
        var none = Bound(("BERTH_NETWORK", "none"));
        var listed = Bound(("BERTH_NETWORK_HOSTS", "*.example.com, x.org:22"));

        Assert.Equal(Code, Refused(() => Decide(none, Asking(null, "x.org"), null)));
        Assert.Equal(Code, Refused(() => Decide(none, Asking(null, null), Workflows)));
        Assert.Equal(Code, Refused(() => Decide(none, Asking(null, null), null, SandboxKind.None)));
        Assert.Equal(Code, Refused(() => Decide(listed, Asking("open", null), null)));
        Assert.Equal(Code, Refused(() => Decide(listed, Asking(null, "x.org"), null)));
        Assert.Equal("none", Decide(none, Asking("none", null), Workflows).ToString());
        Assert.Equal("allowlist (x.org:22)", Decide(listed, Asking(null, "x.org:22"), null).ToString());
    }

    [Fact]
    public void Without_a_sandbox_the_network_is_open_and_no_list_holds()
    {
        Assert.Equal("open", Decide(Bound(), Asking(null, null), null, SandboxKind.None).ToString());
        Assert.Equal(
            "network_needs_sandbox",
            Refused(() => Decide(Bound(), Asking(null, "x.org"), null, SandboxKind.None)));
    }

    private static NetworkPolicy Decide(
        BerthOptions options, RunRequest request, NetworkPolicy? workflow,
        SandboxKind sandbox = SandboxKind.Bubblewrap) => RunNetwork.Decide(options, request, workflow, sandbox);

    private static BerthOptions Bound(params (string Name, string Value)[] settings)
    {
        using var trial = new TrialSurroundings(settings);
        return Settings.Bind(trial.Given);
    }

    private static RunRequest Asking(string? network, string? host) => new()
    {
        Workflow = "fix",
        Message = "Do it.",
        CurrentDirectory = "/",
        Network = network,
        AllowedHosts = host is null ? [] : [host],
    };

    private static string Refused(Func<NetworkPolicy> decide) =>
        Assert.Throws<FailureException>(() => decide()).Failure.Code;
}
