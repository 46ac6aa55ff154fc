using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Protocol;
using Berth.SystemTests.Executors;
using Xunit;

namespace Berth.SystemTests.Network;

/// <summary>The network policies over local runs, and what only those have.</summary>
public sealed class LocalNetworkTests : NetworkConformance
{
    private readonly LoopbackServer machine = new();

    // With a list of hosts its program is started inside too, where only the one file of users can be.
    private protected override ExecutorStage Stage { get; } = new(
        SandboxKind.Bubblewrap,
        folder => LocalExecutorTests.NewExecutor(folder, SystemTestEnvironment.PublishedSupervisor));

    [Fact]
    public async Task An_open_network_is_the_machines_and_nothing_else_is()
    {
        var spec = Stage.Shell(NewRun(), $"""
            exec 3<>/dev/tcp/127.0.0.1/{machine.Port}; printf 'GET / HTTP/1.1\r\n\r\n' >&3; tail -n 1 <&3; echo
            grep hosts /etc/nsswitch.conf; test -r /etc/resolv.conf && echo resolves
            ls /home; id -u; ls /root 2>&1 | wc -l
            """);

        await Stage.RunAsync(spec with
        {
            Policy = Stage.Policy with { Network = new NetworkPolicy(NetworkMode.Open, []) },
        });

        Assert.Equal(
            ["anchored", "hosts: files dns", "resolves", "agent", "1000"],
            (await Stage.PrintedAsync(spec.RunId)).Take(5));
    }

    [Fact]
    public async Task A_list_of_hosts_without_a_sandbox_is_refused()
    {
        var spec = Allowing(NewRun(), "true");

        var refused = await Assert.ThrowsAsync<FailureException>(() => Stage.StartAsync(
            spec with { Policy = spec.Policy with { Sandbox = SandboxKind.None } }));

        Assert.Equal("network_needs_sandbox", refused.Failure.Code);
        Assert.Equal(
            ExecutionState.NeverStarted, (await Stage.Executor.RecoverAsync(spec.RunId, Ending)).State);
    }

    [Fact]
    public async Task A_program_that_cannot_be_run_is_told_as_without_a_proxy()
    {
        var run = NewRun();
        var spec = Allowing(run, "true") with { Argv = ["/no/such/agent"] };

        var exit = await Stage.RunAsync(spec);

        Assert.Equal((ExitCause.StartFailed, "agent_not_found"), (exit.Cause, exit.StartFailure?.Code));
        Assert.Contains("/no/such/agent", exit.StartFailure!.Message, StringComparison.Ordinal);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await machine.DisposeAsync();
    }
}
