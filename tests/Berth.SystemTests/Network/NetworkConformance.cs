using System.Globalization;
using Berth.Engine.Executors;
using Berth.Engine.Network;
using Berth.Protocol;
using Berth.SystemTests.Executors;
using Xunit;

namespace Berth.SystemTests.Network;

/// <summary>What the network policies mean, the same over every executor that isolates.</summary>
public abstract class NetworkConformance : IAsyncDisposable
{
    // A shell is a client that every image has. The answer is told without its line ends.
    private const string Ask = """
        ask() {
            exec 3<>/dev/tcp/127.0.0.1/3128 || { echo "no proxy"; return; }
            printf "$1" >&3
            tr -d '\r' <&3 | tr '\n' ' '
            echo
            exec 3>&-
        }

        """;

    private readonly LoopbackServer server = new();
    private readonly SeenConnections seen = new();
    private EgressProxy? proxy;

    private protected abstract ExecutorStage Stage { get; }

    private protected static CancellationToken Ending => TestContext.Current.CancellationToken;

    private string Place => string.Create(CultureInfo.InvariantCulture, $"localhost:{server.Port}");

    [Fact]
    public async Task An_allowed_host_is_reached_and_no_other_one()
    {
        var run = NewRun();
        var spec = Allowing(run, Ask + $$"""
            ask 'CONNECT {{Place}} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n'
            ask 'GET http://{{Place}}/path HTTP/1.1\r\n\r\n'
            ask 'CONNECT elsewhere.example.com:443 HTTP/1.1\r\n\r\n'
            ask 'nonsense\r\n\r\n'
            """);

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(0, exit.ExitCode);
        var printed = await Stage.PrintedAsync(spec.RunId);
        Assert.Equal(4, printed.Count);
        Assert.EndsWith("anchored", printed[0].TrimEnd(), StringComparison.Ordinal);
        Assert.EndsWith("anchored", printed[1].TrimEnd(), StringComparison.Ordinal);
        Assert.Contains("403 Forbidden", printed[2], StringComparison.Ordinal);
        Assert.Contains("may not reach elsewhere.example.com:443", printed[2], StringComparison.Ordinal);
        Assert.Contains("400 Bad Request", printed[3], StringComparison.Ordinal);
        await Eventually.TrueAsync(() => seen.Passes.Count == 2, "both connections are told");
        Assert.All(seen.Passes, passed => Assert.Equal(("localhost", server.Port), (passed.Host, passed.Port)));
        Assert.Equal(["not_allowed", "bad_request"], seen.Refusals.Select(refusal => refusal.Reason));
        var started = (await Stage.JournalAsync(spec.RunId)).First(
            entry => ExecutorStage.Is(entry, BerthEvents.RunStarted));
        Assert.Equal(
            $"allowlist ({Place})", started.Data.GetProperty("facts").GetProperty("network").GetString());
    }

    [Fact]
    public async Task Nothing_is_reached_without_the_proxy()
    {
        var run = NewRun();
        var spec = Allowing(run, $"""
            for place in 127.0.0.1/{server.Port} 192.0.2.1/443; do
                (exec 3<>/dev/tcp/$place) 2>/dev/null && echo "reached $place"
            done
            cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' \n'; echo
            env | grep -i _proxy= | sort -f
            """);

        await Stage.RunAsync(spec);

        var printed = await Stage.PrintedAsync(spec.RunId);
        Assert.Equal("lo", printed[0]);
        Assert.Contains("HTTPS_PROXY=http://127.0.0.1:3128", printed);
        Assert.Contains("http_proxy=http://127.0.0.1:3128", printed);
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task Without_a_policy_there_is_no_way_to_a_proxy()
    {
        var run = NewRun();
        Serve(run);
        var spec = Stage.Shell(
            run, "(exec 3<>/dev/tcp/127.0.0.1/3128) 2>/dev/null && echo reached; env | grep -i proxy");

        await Stage.RunAsync(spec);

        Assert.Empty(await Stage.PrintedAsync(spec.RunId));
    }

    [Fact]
    public async Task A_flood_of_connections_has_a_bound_and_the_run_goes_on()
    {
        var run = NewRun();
        var spec = Allowing(run, Ask + $$"""
            (for i in $(seq 150); do exec {fd}<>/dev/tcp/127.0.0.1/3128 || break; done 2>/dev/null; exit 0) &
            wait $!
            for i in $(seq 100); do ask 'GET http://{{Place}}/ HTTP/1.1\r\n\r\n'; done | grep -c anchored
            """);

        var exit = await Stage.RunAsync(spec);

        Assert.Equal(0, exit.ExitCode);
        Assert.Equal("100", (await Stage.PrintedAsync(spec.RunId))[^1]);
    }

    [Fact]
    public async Task When_a_host_dies_what_is_asked_for_meanwhile_waits_for_the_next_one()
    {
        var run = NewRun();
        var spec = Allowing(run, Ask + $$"""
            ask 'GET http://{{Place}}/first HTTP/1.1\r\n\r\n'
            while [ ! -e go ]; do sleep 0.05; done
            ask 'GET http://{{Place}}/second HTTP/1.1\r\n\r\n'
            """);
        await Stage.StartAsync(spec);
        await Eventually.TrueAsync(() => seen.Passes.Count == 1, "the first is answered");

        await proxy!.DisposeAsync();
        proxy = null;
        await File.WriteAllTextAsync(Path.Combine(run.Workspace, "go"), "", Ending);
        Serve(run);

        await Stage.EndOfAsync(spec.RunId);
        Assert.All(
            await Stage.PrintedAsync(spec.RunId), line => Assert.Contains("anchored", line, StringComparison.Ordinal));
        Assert.Contains(server.Requests, head => head.StartsWith("GET /second ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("exit 3", 3, null)]
    [InlineData("kill -9 $$", null, 9)]
    public async Task The_agent_is_the_same_process_as_without_a_proxy(string end, int? code, int? signal)
    {
        var run = NewRun();
        var spec = Allowing(run, $"""
            grep -E 'Sig(Ign|Blk)' /proc/self/status | cut -f2
            ls /proc/self/fd | tr '\n' ' '; echo
            ls -A /tmp; env | grep DOTNET_Enable
            {end}
            """);

        var exit = await Stage.RunAsync(spec);

        Assert.Equal((ExitCause.Exited, code, signal), (exit.Cause, exit.ExitCode, exit.Signal));
        var printed = await Stage.PrintedAsync(spec.RunId);
        foreach (var mask in printed.Take(2))
        {
            // Above 31 are the C library's own.
            Assert.Equal(0UL, ulong.Parse(mask, NumberStyles.HexNumber, CultureInfo.InvariantCulture) & 0x7fff_ffff);
        }

        // The fourth is the folder that ls reads. Nothing of the relay is in /tmp.
        Assert.Equal("0 1 2 3 ", printed[2]);
        Assert.DoesNotContain(printed.Skip(3), line => line.Contains("diagnostic", StringComparison.Ordinal));
        Assert.False(Path.Exists(Path.Combine(run.GatewayFolder, RunDirectory.HandoverSocketName)));
    }

    [Fact]
    public async Task A_cancel_reaches_an_agent_that_has_a_proxy()
    {
        var run = NewRun();
        var spec = Allowing(run, "trap 'echo told; exit 7' TERM; echo ready; while :; do sleep 0.1; done");
        await Stage.StartAsync(spec);
        await Eventually.TrueAsync(
            async () => (await Stage.PrintedAsync(spec.RunId)).Contains("ready", StringComparer.Ordinal),
            "the agent is ready");

        Assert.True(await Stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Ending));

        var exit = await Stage.EndOfAsync(spec.RunId);
        Assert.Equal((ExitCause.Cancelled, 7), (exit.Cause, exit.ExitCode));
        Assert.Contains("told", await Stage.PrintedAsync(spec.RunId));
        await ExecutorStage.NoProcessesAsync(spec.RunId);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (proxy is not null)
        {
            await proxy.DisposeAsync();
        }

        await Stage.DisposeAsync();
        await server.DisposeAsync();
    }

    private protected RunDirectory NewRun()
    {
        var run = Stage.NewRun();
        Directory.CreateDirectory(run.GatewayFolder);
        return run;
    }

    private protected ExecutionSpec Allowing(RunDirectory run, string script)
    {
        Serve(run);
        return Stage.Shell(run, script) with
        {
            Policy = Stage.Policy with { Network = new NetworkPolicy(NetworkMode.Allowlist, [Place]) },
        };
    }

    private void Serve(RunDirectory run) => proxy = new EgressProxy(
        run,
        new ProxyOptions
        {
            Hosts = [HostPattern.Parse(Place)!],
            Permitted = [AddressGuard.Read("127.0.0.0/8")!.Value],
        },
        seen,
        TimeProvider.System);
}
