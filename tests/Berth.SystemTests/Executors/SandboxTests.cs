using System.Net.Sockets;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Berth.Engine.Transcripts;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>Looks out of the sandbox from the inside: a plain shell in the place of the agent tries what it should
/// not be able to do.</summary>
public sealed class SandboxTests : IAsyncDisposable
{
    private static readonly ExecutionPolicy Boxed = new() { Sandbox = SandboxKind.Bubblewrap };

    private readonly ExecutorStage stage = new(SandboxKind.Bubblewrap, LocalExecutorTests.NewExecutor);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_sees_no_home_no_secrets_and_no_other_run_of_the_host()
    {
        var other = stage.NewRun();
        await File.WriteAllTextAsync(Path.Combine(other.Workspace, "other.txt"), "x", Ending);

        var lines = await TryAsync($"""
            ls -A /home /root /workspace /run/berth /var /mnt /opt 2>&1
            for f in /etc/shadow /etc/gshadow /etc/ssl/private /etc/ssh /etc/gitconfig /etc/npmrc /sys/kernel \
                {stage.RunsFolder} {other.Root}
            do test -e $f && echo "sees $f"; done
            cat /etc/passwd
            """);

        Assert.Equal(
            [
                "/home:", "agent", "", "/opt:", "claude", "", "/root:", "", "/run/berth:", "agent", "artifacts",
                "gateway", "", "/var:", "tmp", "",
                "/workspace:", "root:x:0:0:root:/root:/usr/sbin/nologin",
                    "agent:x:1000:1000:agent:/home/agent:/bin/bash",
            ],
            lines.Where(line => !line.StartsWith("ls: cannot access '/mnt'", StringComparison.Ordinal)),
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task It_is_not_root_has_no_capability_and_gets_none()
    {
        var lines = await TryAsync("""
            id -u; id -g; whoami
            grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs)' /proc/self/status | tr '\t' ' '
            unshare --user true 2>/dev/null && echo 'made a user namespace'
            mount -t tmpfs none /mnt 2>/dev/null && echo mounted
            true
            """);

        const string None = "0000000000000000";
        Assert.Equal(
            [
                "1000", "1000", "agent", $"CapInh: {None}", $"CapPrm: {None}", $"CapEff: {None}", $"CapBnd: {None}",
                    $"CapAmb: {None}",
                "NoNewPrivs: 1",
            ],
            lines,
            StringComparer.Ordinal);
    }

    [Fact]
    public async Task It_can_write_its_own_folders_only()
    {
        // Opened for appending and closed again: where a guard were missing, nothing would be changed on this machine.
        var lines = await TryAsync("""
            for f in / /usr /usr/bin /etc /opt/claude /run/berth/gateway /run/berth/agent /var /bin /lib
            do touch $f/canary 2>/dev/null && echo "writes $f"; done
            for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches \
                /proc/sysrq-trigger /proc/kcore
            do (: >> $f) 2>/dev/null && echo "opens $f"; done
            find /proc/sys /proc/fs /proc/irq /proc/bus -writable -type f 2>/dev/null | head
            for f in /workspace /home/agent /tmp /var/tmp /dev/shm
            do touch $f/mine && echo "$f is mine"; done
            true
            """);

        Assert.Equal(
            ["/workspace is mine", "/home/agent is mine", "/tmp is mine", "/var/tmp is mine", "/dev/shm is mine"],
                lines);
    }

    [Fact]
    public async Task It_has_no_network()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var port = ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;

        var lines = await TryAsync($"""
            tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '
            (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo connected
            cat /proc/net/route | tail -n +2
            cut -d' ' -f8- /proc/net/unix | grep @
            true
            """);

        Assert.Equal(["lo"], lines);
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task It_sees_and_signals_no_process_but_its_own()
    {
        using var stranger = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/bin/sleep",
            Arguments = ["600"],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal),
        });

        var lines = await TryAsync($"""
            kill -9 {stranger.Id} 2>/dev/null && echo 'signalled a stranger'
            cat /proc/[0-9]*/comm | sort -u
            ls /proc/1/root/ 2>&1 | grep -q old && echo 'sees the old root'
            true
            """);

        Assert.True(ProcessIdentity.Of(stranger.Id)!.IsAlive);
        stranger.Signal(9);
        Assert.All(lines, line => Assert.Contains(line, ["bash", "bwrap", "sort", "cat"], StringComparer.Ordinal));
    }

    [Fact]
    public async Task No_secret_of_the_host_is_in_the_environment_of_any_process_it_sees()
    {
        Environment.SetEnvironmentVariable("BERTH_TEST_HOST_SECRET", "canary-of-the-host");
        try
        {
            var lines = await TryAsync("""
                env | cut -d= -f1 | sort | tr '\n' ' '; echo
                cat /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | grep -i -E 'canary|api_key|auth_token|oauth'
                cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' | grep -v grep | grep -i 'canary[-]of'
                true
                """);

            var names = Assert.Single(lines).Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Except(["PWD", "SHLVL", "_", "OLDPWD"], StringComparer.Ordinal);
            Assert.Equal(
                ["BERTH_RUN_ID", "DOTNET_EnableDiagnostics", "DOTNET_ROOT", "DOTNET_TieredPGO", "HOME", "PATH",
                    "TMPDIR"],
                names,
                StringComparer.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("BERTH_TEST_HOST_SECRET", null);
        }
    }

    [Fact]
    public async Task Mounts_of_the_policy_are_there_and_read_only()
    {
        var shared = Directory.CreateDirectory(Path.Combine(stage.RunsFolder, "shared")).FullName;
        await File.WriteAllTextAsync(Path.Combine(shared, "file"), "shared\n", Ending);
        var run = stage.NewRun();
        var spec = stage.Shell(run, $"cat {shared}/file; touch {shared}/mine 2>/dev/null && echo written; true");
        var mounts = spec.Policy.Mounts.Append(new HostMount(shared, shared)).ToList();
        spec = spec with { Policy = spec.Policy with { Mounts = mounts } };

        Assert.Equal(0, (await stage.RunAsync(spec)).ExitCode);

        Assert.Equal(["shared"], await stage.PrintedAsync(spec.RunId));
    }

    [Fact]
    public async Task It_reaches_the_gateways_socket_and_a_new_one_in_its_place()
    {
        var run = stage.NewRun();
        Directory.CreateDirectory(run.GatewayFolder);
        using var folder = new SocketFolder(run.GatewayFolder);
        using var gateway = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var spec = stage.Shell(run, """
            for i in $(seq 1200); do
              perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0);
                exit !connect(S, pack_sockaddr_un("/run/berth/gateway/model.sock"))' && echo connected && break
              sleep 0.05
            done
            """);

        await stage.StartAsync(spec);
        await stage.EventAsync(spec.RunId, BerthEvents.AgentStarted);
        gateway.Bind(folder.EndPoint(RunDirectory.GatewaySocketName));
        gateway.Listen();
        await stage.EndOfAsync(spec.RunId);

        Assert.Equal(["connected"], await stage.PrintedAsync(spec.RunId), StringComparer.Ordinal);
    }

    [Theory]
    [InlineData("#!/bin/sh\necho broken >&2; exit 3\n", "supervisor_died_at_start", "broken", 60)]
    [InlineData("#!/bin/sh\nexec sleep 600\n", "supervisor_start_timeout", "not begun", 1)]
    [InlineData("no program", "supervisor_start_failed", "could not be started", 60)]
    [InlineData(null, "supervisor_missing", "not there", 60)]
    public async Task A_supervisor_that_does_not_begin_is_told_by_what_it_did(
        string? program, string code, string said, int seconds)
    {
        var path = Path.Combine(stage.RunsFolder, "supervisor");
        if (program is not null)
        {
            await File.WriteAllTextAsync(path, program, Ending);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        var options = new LocalExecutorOptions
        {
            RunsFolder = stage.RunsFolder, SupervisorPath = path, StartLimit = TimeSpan.FromSeconds(seconds),
        };
        var executor = new LocalExecutor(options, new JournalReader(TimeProvider.System), TimeProvider.System);
        var spec = stage.Shell(stage.NewRun(), "true");

        var thrown = await Assert.ThrowsAsync<FailureException>(
            () => executor.ExecuteClaudeTaskAsync(spec, Ending));

        Assert.Equal(code, thrown.Failure.Code);
        Assert.Contains(said, thrown.Failure.Message, StringComparison.Ordinal);
        await ExecutorStage.NoProcessesAsync(spec.RunId);
    }

    [Fact]
    public async Task The_probe_tries_a_sandbox_and_finds_every_layer_here()
    {
        var probe = await stage.Executor.ProbeAsync(Boxed, SystemTestEnvironment.FakeClaude, Ending);

        Assert.Equal(
            ["supervisor", "bubblewrap", "user namespaces", "sandbox", "claude", "git", "memory limit",
                "process limit", "processor limit"],
            probe.Checks.Select(check => check.Name),
            StringComparer.Ordinal);
        Assert.All(
            probe.Checks.Where(check => check.Required && check.Name is not "claude"),
            check => Assert.True(check.Ok, check.Detail));
        Assert.True(probe.Capabilities is { Sandboxed: true, NetworkIsolated: true });
    }

    [Fact]
    public async Task The_probe_finds_the_real_CLI_and_its_version_in_the_sandbox()
    {
        var probe = await stage.Executor.ProbeAsync(Boxed, SystemTestEnvironment.RealClaude, Ending);

        Assert.True(probe.Ok, string.Join('\n', probe.Checks));
        Assert.Null(probe.Failure);
        Assert.Matches(@"version \d+\.\d+\.\d+", probe.Checks.Single(check => check.Name is "claude").Detail);
    }

    [Fact]
    public async Task The_probe_notes_a_CLI_of_another_version_and_takes_it()
    {
        var other = Path.Combine(stage.RunsFolder, "other-claude");
        await File.WriteAllTextAsync(other, "#!/bin/sh\necho '1.2.3 (Claude Code)'\n", Ending);
        File.SetUnixFileMode(other, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var options = new LocalExecutorOptions
        {
            RunsFolder = stage.RunsFolder,
            SupervisorPath = SystemTestEnvironment.Supervisor,
            ClaudeVersion = "3.2.1",
        };

        var probe = await new LocalProbe(options, TimeProvider.System).ProbeAsync(
            SandboxKind.Bubblewrap, other, Ending);

        var check = probe.Checks.Single(check => check.Name is "claude");
        Assert.True(probe.Ok, string.Join('\n', probe.Checks));
        Assert.Equal((false, false, "cli_wrong_version"), (check.Ok, check.Required, check.Code));
        Assert.Contains("1.2.3", check.Detail, StringComparison.Ordinal);
        Assert.Contains("3.2.1", check.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_probe_names_what_is_missing_and_what_to_type()
    {
        var options = new LocalExecutorOptions
        {
            RunsFolder = stage.RunsFolder, SupervisorPath = "/no/such/supervisor", BubblewrapPath = "/no/such/bwrap",
                GitPath = "/no/git",
        };

        var probe = await new LocalProbe(options, TimeProvider.System).ProbeAsync(SandboxKind.Bubblewrap, null, Ending);

        Assert.False(probe.Ok);
        Assert.Equal("supervisor_missing", probe.Failure!.Code);
        Assert.Equal(
            ["supervisor_missing", "bubblewrap_missing", "cli_not_found", "git_missing"],
            probe.Checks.Where(check => check is { Ok: false, Required: true }).Select(check => check.Code),
            StringComparer.Ordinal);
        Assert.All(probe.Checks.Where(check => !check.Ok), check => Assert.NotEmpty(check.Mend));
    }

    public ValueTask DisposeAsync() => stage.DisposeAsync();

    private async Task<IReadOnlyList<string>> TryAsync(string script)
    {
        var spec = stage.Shell(stage.NewRun(), script);
        var exit = await stage.RunAsync(spec);
        Assert.Equal(0, exit.ExitCode);
        return await stage.PrintedAsync(spec.RunId);
    }
}
