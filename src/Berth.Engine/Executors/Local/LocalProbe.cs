using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Berth.Engine.Processes;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Local;

/// <summary>Looks at every layer that a local run stands on, by using it: a small sandbox is really started.</summary>
internal sealed partial class LocalProbe(LocalExecutorOptions options, TimeProvider time)
{
    // The first version with --disable-userns; --size came shortly before.
    private static readonly Version LeastBubblewrap = new(0, 8, 0);

    // A sandbox starts in milliseconds, and in seconds where twenty runs are asked for at once. What takes longer than
    // this hangs.
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly ProcessRunner processes = new(time);
    private readonly ExecutionPlan plan = new(options);

    /// <summary>Looks at all of them.</summary>
    internal async Task<ExecutorProbe> ProbeAsync(
        SandboxKind sandbox, string? claudeBinary, CancellationToken cancellation)
    {
        List<ProbeCheck> checks = [SupervisorCheck()];
        var trial = new RunDirectory(Directory.CreateTempSubdirectory("berth-probe-").FullName);
        ControlGroups groups;
        try
        {
            Directory.CreateDirectory(trial.Workspace);
            ExecutionPlan.Prepare(trial, new ExecutionPolicy { Sandbox = sandbox });
            var program = claudeBinary is null ? "" : ClaudeProgram.Resolve(claudeBinary);
            var claude = TryClaudeAsync(trial, sandbox, program, cancellation);
            groups = ControlGroups.Detect();
            checks.AddRange(sandbox == SandboxKind.Bubblewrap
                ? await BubblewrapChecksAsync(trial, claude, cancellation)
                : [new ProbeCheck("sandbox", true, "none: weak, the agent is a bare process of yours"), NoTempLimit]);
            checks.Add(ClaudeCheck(program, await claude, works: checks.TrueForAll(check => check.Ok)));
        }
        finally
        {
            SafeDeletion.Remove(
                Path.GetDirectoryName(trial.Root)!, [Path.GetFileName(trial.Root)], CancellationToken.None);
        }

        checks.Add(GitCheck(sandbox));
        checks.Add(LimitCheck(ProbeCheck.MemoryLimit, groups.Memory));
        checks.Add(LimitCheck(ProbeCheck.ProcessLimit, groups.Processes));
        checks.Add(LimitCheck(ProbeCheck.CpuLimit, groups.Cpu));
        var isolated = sandbox == SandboxKind.Bubblewrap;
        return new ExecutorProbe(
            LocalExecutor.ModeName,
            checks,
            new ExecutorCapabilities(
                isolated,
                isolated,
                groups.Memory is not null,
                groups.Processes is not null,
                groups.Cpu is not null));
    }

    private static ProbeCheck Bad(string name, Failure failure) =>
        new(name, false, failure.Message, failure.Hint) { Code = failure.Code };

    private static ProbeCheck LimitCheck(string name, ControlGroups.Layer? layer) => layer is not null
        ? new ProbeCheck(name, true, layer.Detail)
        : new ProbeCheck(
            name,
            false,
            "no control group that we may write to",
            "Run Berth as root, or as a systemd service with Delegate=yes; without it runs work, but are not limited")
        {
            Required = false,
            Code = "limit_not_available",
        };

    private ProbeCheck SupervisorCheck() => ProgramSearch.IsProgram(options.SupervisorPath)
        ? new ProbeCheck("supervisor", true, options.SupervisorPath)
        : Bad("supervisor", Missing.Supervisor(options.SupervisorPath));

    private ProbeCheck GitCheck(SandboxKind sandbox) => plan.GitFor(sandbox) is { } git
        ? new ProbeCheck("git", true, git)
        : Bad("git", Missing.Git);

    private async Task<IReadOnlyList<ProbeCheck>> BubblewrapChecksAsync(
        RunDirectory trial, Task<ProcessResult?> claude, CancellationToken cancellation)
    {
        if (plan.Bubblewrap is not { } bubblewrap)
        {
            return [Bad("bubblewrap", Missing.Bubblewrap)];
        }

        var said = await RunAsync([bubblewrap, "--version"], cancellation);
        var match = VersionPattern().Match(Text(said.Output));
        if (!said.Succeeded || !match.Success || Version.Parse(match.Value) < LeastBubblewrap)
        {
            return
            [
                new ProbeCheck(
                    "bubblewrap",
                    false,
                    $"{bubblewrap} is {(match.Success ? match.Value : Answer(said))}, not {LeastBubblewrap} or later",
                    $"Type: {Missing.Install("bubblewrap")}")
                {
                    Code = "bubblewrap_too_old",
                },
            ];
        }

        var found = new ProbeCheck("bubblewrap", true, $"{bubblewrap}, version {match.Value}");
        return await claude is { Succeeded: true }
            ? [found, .. Sandboxed]
            : [found, .. await SandboxChecksAsync(bubblewrap, trial, cancellation)];
    }

    private static ProbeCheck NoTempLimit { get; } = new(
        ProbeCheck.TempLimit,
        false,
        "without a sandbox the agent has the machine's own file systems",
        "Leave out --sandbox none")
    {
        Required = false,
        Code = "limit_not_available",
    };

    // What starts the CLI starts anything, so nothing more is started for these.
    private static IReadOnlyList<ProbeCheck> Sandboxed =>
    [
        new ProbeCheck("user namespaces", true, "allowed"),
        new ProbeCheck("sandbox", true, "own user, pid, network, ipc and uts namespaces, no capability"),
    ];

    private async Task<IReadOnlyList<ProbeCheck>> SandboxChecksAsync(
        string bubblewrap, RunDirectory trial, CancellationToken cancellation)
    {
        // The very arguments of a run: what passes here passes there.
        var policy = new ExecutionPolicy { Sandbox = SandboxKind.Bubblewrap };
        var prefix = new BubblewrapCommand(bubblewrap).ForAgent(
            trial, policy, ClaudeMount.Of("/usr/bin/true"), options.SupervisorPath);
        var whole = await RunAsync([.. prefix, "/bin/true"], cancellation);
        if (whole.Succeeded)
        {
            return Sandboxed;
        }

        // Then one layer after the other, until one is found that cannot be had alone.
        foreach (var (name, words) in Layers)
        {
            var alone = await RunAsync([bubblewrap, .. words, "--ro-bind", "/", "/", "/bin/true"], cancellation);
            if (!alone.Succeeded)
            {
                return [NamespaceCheck(name, alone)];
            }
        }

        return
        [
            new ProbeCheck("user namespaces", true, "allowed"),
            new ProbeCheck(
                "sandbox", false, $"each namespace works alone, but the sandbox does not: {Answer(whole)}", SandboxHint)
            {
                Code = "sandbox_failed",
            },
        ];
    }

    private const string SandboxHint =
        "If this is itself a container, it must allow mounting /proc (Docker: --security-opt systempaths=unconfined)";

    private static (string Name, string[] Words)[] Layers { get; } =
    [
        ("user namespaces", ["--unshare-user"]),
        ("pid namespace", ["--unshare-user", "--unshare-pid"]),
        ("network namespace", ["--unshare-user", "--unshare-net"]),
        ("nested user namespaces", ["--unshare-user", "--disable-userns"]),
        ("system call filter", ["--unshare-user", "--seccomp", $"{ChildProcessStart.HandedDescriptor}"]),
    ];

    private static ProbeCheck NamespaceCheck(string name, ProcessResult result)
    {
        var detail = Answer(result);
        return new ProbeCheck(name, false, $"not allowed here: {detail}", NamespaceMend())
        {
            Code = name is "user namespaces" ? "user_namespaces_forbidden" : "sandbox_failed",
        };
    }

    private static string NamespaceMend()
    {
        var sudo = Environment.IsPrivilegedProcess ? "" : "sudo ";
        if (Setting("/proc/sys/user/max_user_namespaces") is "0")
        {
            return $"Type: {sudo}sysctl -w user.max_user_namespaces=15000";
        }

        if (Setting("/proc/sys/kernel/unprivileged_userns_clone") is "0")
        {
            return $"Type: {sudo}sysctl -w kernel.unprivileged_userns_clone=1";
        }

        return Setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") is "1"
            ? $"Type: {sudo}sysctl -w kernel.apparmor_restrict_unprivileged_userns=0   "
                + "(or give bwrap an AppArmor profile with `userns,`)"
            : "If this is itself a container, allow it (Docker: --security-opt seccomp=unconfined); "
                + "if not, ask who rules this machine";
    }

    private static string? Setting(string file) => File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    // Null where there is nothing to be tried.
    private async Task<ProcessResult?> TryClaudeAsync(
        RunDirectory trial, SandboxKind sandbox, string program, CancellationToken cancellation)
    {
        if (ClaudeProgram.Inspect(program) is not null
            || (sandbox == SandboxKind.Bubblewrap && plan.Bubblewrap is null))
        {
            return null;
        }

        var layout = ExecutionPlan.LayOut(trial, sandbox, program);
        var policy = new ExecutionPolicy { Sandbox = sandbox };
        IReadOnlyList<string> prefix =
            sandbox == SandboxKind.Bubblewrap
                ? new BubblewrapCommand(plan.Bubblewrap!).ForAgent(
                    trial, policy, ClaudeMount.Of(program), options.SupervisorPath)
                : [];
        return await RunAsync([.. prefix, layout.Claude, "--version"], cancellation, layout.Home);
    }

    private ProbeCheck ClaudeCheck(string program, ProcessResult? said, bool works)
    {
        const string Name = "claude";
        if (ClaudeProgram.Inspect(program) is { } missing)
        {
            return Bad(Name, missing);
        }

        if (!works || said is null)
        {
            return new ProbeCheck(Name, true, $"{program}; not tried, for the sandbox does not work");
        }

        var version = VersionPattern().Match(Text(said.Output)).Value;
        if (!said.Succeeded || version.Length == 0)
        {
            return new ProbeCheck(Name, false, $"{program} --version failed: {Answer(said)}", ClaudeProgram.Install)
            {
                Code = "cli_broken",
            };
        }

        return options.ClaudeVersion is { } tested && !string.Equals(tested, version, StringComparison.Ordinal)
            ? new ProbeCheck(
                Name,
                false,
                $"{program} is version {version}; this build of Berth was tested with {tested}",
                ClaudeProgram.Install)
            {
                Required = false,
                Code = "cli_wrong_version",
            }
            : new ProbeCheck(Name, true, $"{program}, version {version}");
    }

    // On a thread of its own that waits for the end: bubblewrap dies with the thread that started it, and a pool's
    // threads come and go.
    private Task<ProcessResult> RunAsync(IReadOnlyList<string> argv, CancellationToken cancellation, string home = "/")
    {
        var filter = AgentFilter.Open();
        var request = new ProcessRequest
        {
            Handed = filter,
            FileName = argv[0],
            Arguments = [.. argv.Skip(1)],
            Environment = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
                ["HOME"] = home,
                ["DISABLE_AUTOUPDATER"] = "1",
            },
            Timeout = Bound,
        };
        return Task.Factory.StartNew(
            () =>
            {
                using (filter)
                {
                    return processes.RunAsync(request, cancellation).GetAwaiter().GetResult();
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    private static string Text(ReadOnlyMemory<byte> output) => Encoding.UTF8.GetString(output.Span);

    private static string Answer(ProcessResult result) => result.End switch
    {
        ProcessEnd.NotStarted => result.Error,
        ProcessEnd.TimedOut => string.Create(CultureInfo.InvariantCulture, $"no answer in {Bound.TotalSeconds} s"),
        _ when result.Error.Trim() is { Length: > 0 } error => error,
        _ => string.Create(CultureInfo.InvariantCulture, $"exit code {result.ExitCode}, signal {result.Signal}"),
    };

    [GeneratedRegex(@"\d+\.\d+\.\d+", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionPattern();
}
