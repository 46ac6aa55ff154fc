using Berth.Engine;
using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Engine.Gateway;
using Berth.Engine.Workspaces;
using Xunit;

namespace Berth.Tests.Runs;

public sealed class RunNoticesTests
{
    private static readonly BerthOptions Options = new()
    {
        Home = "/h",
        WorkflowFolders = [],
        ProgramFolder = "/p",
        SupervisorPath = "/s",
        HostCommand = ["/b"],
        Environment = new Dictionary<string, string>(StringComparer.Ordinal),
        Gateway = new GatewayOptions(),
    };

    [Fact]
    public void A_limit_that_was_asked_for_and_is_not_to_be_had_is_told_before_the_run_begins()
    {
        Assert.Empty(Notices(Options));
        Assert.Equal(["memory limit: none here"], Notices(Options with { MemoryBytes = 1 << 30 }));
        Assert.Equal(["process limit: none here"], Notices(Options with { Processes = 100 }));
        Assert.Equal(
            ["processor limit: none here", "docker processor limit: none here"],
            Notices(Options with { Cpus = 1.5m }));
    }

    [Fact]
    public void A_workflows_image_is_told_where_the_run_has_none()
    {
        var contained = Boxed with { Sandbox = SandboxKind.Container };

        Assert.Contains("debian:12", Assert.Single(Of(Boxed, "debian:12")), StringComparison.Ordinal);
        Assert.Empty(Of(contained, "debian:12"));
        Assert.Empty(Of(Boxed, null));

        static IEnumerable<string> Of(ExecutionPolicy policy, string? image) => RunNotices.Of(
            Options,
            new RepositoryFacts(),
            Probe(),
            new Dictionary<string, string>(StringComparer.Ordinal),
            policy,
            image);
    }

    [Fact]
    public void Another_version_of_the_CLI_is_told_and_what_is_required_is_not_for_it_refuses_the_run()
    {
        var other = new ProbeCheck("claude", false, "/c is version 1.0.0", "Install it") { Required = false };
        var missing = new ProbeCheck("git", false, "none", "Install it");

        Assert.Equal(["claude: /c is version 1.0.0"], Notices(Options, other, missing));
    }

    [Fact]
    public void Values_too_short_to_be_redacted_are_named_and_not_shown()
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PIN"] = "1234", ["EMPTY"] = "", ["TOKEN"] = "long-enough",
        };

        var notice = Assert.Single(RunNotices.Of(
            Options, new RepositoryFacts(), Probe(), environment, Boxed));

        Assert.EndsWith(": PIN.", notice, StringComparison.Ordinal);
        Assert.DoesNotContain("1234", notice, StringComparison.Ordinal);
    }

    [Fact]
    public void No_sandbox_is_told_to_be_weak_after_what_the_repository_has_to_say()
    {
        var facts = new RepositoryFacts { Notes = ["3 changes."] };
        var notices = RunNotices.Of(
            Options, facts, Probe(), new Dictionary<string, string>(StringComparer.Ordinal),
            new ExecutionPolicy { Sandbox = SandboxKind.None }).ToList();

        Assert.Equal("3 changes.", notices[0]);
        Assert.StartsWith("Weak", notices[1], StringComparison.Ordinal);
    }

    [Fact]
    public void An_open_network_is_told_before_the_start()
    {
        var notices = RunNotices.Of(
            Options, new RepositoryFacts(), Probe(), new Dictionary<string, string>(StringComparer.Ordinal),
            Boxed with { Network = new NetworkPolicy(NetworkMode.Open, []) });

        Assert.StartsWith("Open network", Assert.Single(notices), StringComparison.Ordinal);
    }

    private static ExecutionPolicy Boxed { get; } = new() { Sandbox = SandboxKind.Bubblewrap };

    private static IEnumerable<string> Notices(BerthOptions options, params ProbeCheck[] more) => RunNotices.Of(
        options,
        new RepositoryFacts(),
        Probe(
        [
            new ProbeCheck(ProbeCheck.MemoryLimit, false, "none here", "Run it as root") { Required = false },
            new ProbeCheck(ProbeCheck.ProcessLimit, false, "none here", "Run it as root") { Required = false },
            new ProbeCheck(ProbeCheck.CpuLimit, false, "none here", "Run it as root") { Required = false },
            new ProbeCheck(ProbeCheck.OfDocker + ProbeCheck.CpuLimit, false, "none here", "Restart it")
            {
                Required = false,
            },
            .. more,
        ]),
        new Dictionary<string, string>(StringComparer.Ordinal),
        Boxed);

    private static ExecutorProbe Probe(params ProbeCheck[] checks) =>
        new("local", checks, new ExecutorCapabilities(true, true, false, false, false));
}
