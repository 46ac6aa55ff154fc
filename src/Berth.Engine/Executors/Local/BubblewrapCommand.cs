using System.Globalization;
using Berth.Engine.Network;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Local;

/// <summary>Builds the words that stand before a command to run it in the sandbox. Argument arrays only; nothing is a
/// shell's.</summary>
/// <remarks>
/// The agent's user inside is 1000, but the kernel goes by the user outside, and where Berth runs as root that is
/// root without any capability: it still owns root's files. So <c>/etc</c> is an allow-list and not the whole of it,
/// and <c>/proc/sys</c>, which asks for ownership alone, is read-only: a writable <c>core_pattern</c> is a program of
/// the agent's choice, run on the host. The environment is given whole to bubblewrap itself: <c>--setenv</c> would
/// show it in every process list.
/// </remarks>
internal sealed class BubblewrapCommand(string bubblewrap)
{
    /// <summary>How many processes stand between the started one and the command: bubblewrap outside, and as init
    /// inside.</summary>
    internal const int Wrappers = 2;

    private const string NoDiagnostics = "DOTNET_EnableDiagnostics";

    // A tmpfs is the machine's memory. Builds want room in /tmp, nothing wants it in the others.
    private const long SmallBytes = 64L * 1024 * 1024;

    // Programs need these to find libraries, certificates, time zones and names. Not gitconfig, npmrc, pip.conf,
    // maven: they hold tokens.
    private static readonly string[] EtcAllowed =
    [
        "alternatives", "ca-certificates", "crypto-policies", "debian_version", "dotnet", "fonts", "inputrc",
        "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
        "localtime", "magic", "mime.types", "os-release", "perl", "pki/ca-trust/extracted", "pki/tls/certs",
        "protocols", "python3", "python3.11", "python3.12", "python3.13", "services", "ssl/certs",
        "ssl/openssl.cnf", "terminfo", "timezone",
    ];

    private static readonly string[] TopLevelNames = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

    private static readonly string[] ProcReadOnly = ["acpi", "bus", "fs", "irq", "sys", "sysrq-trigger"];

    private static readonly string[] ProcMasked =
    [
        "kcore", "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "pagetypeinfo",
        "sched_debug", "slabinfo", "timer_list", "vmallocinfo",
    ];

    /// <summary>The words before the agent's command.</summary>
    /// <param name="run">The run directory.</param>
    /// <param name="policy">What the run may reach.</param>
    /// <param name="claude">The CLI.</param>
    /// <param name="supervisor">The supervisor, which stands before the agent where there is a proxy to lead
    /// to.</param>
    internal IReadOnlyList<string> ForAgent(
        RunDirectory run, ExecutionPolicy policy, ClaudeMount claude, string supervisor) =>
    [
        bubblewrap,
        .. Namespaces,
        .. policy.Network.Mode == NetworkMode.Open ? [] : OwnNetwork,
        .. SystemOf(run, policy),
        .. Bound(claude.Mounts),
        .. Bound(policy.Mounts),
        .. Bound(policy.ExtraMounts),
        "--bind", run.Workspace, InsidePaths.Workspace,
        "--bind", run.Home, InsidePaths.Home,
        "--bind", run.ArtifactsInside, InsidePaths.Artifacts,
        "--ro-bind", run.GatewayFolder, InsidePaths.Gateway,
        "--ro-bind", run.AgentFolder, InsidePaths.Agent,
        .. policy.Network.Mode == NetworkMode.Allowlist ? Listening(supervisor) : Closing,
    ];

    /// <summary>The words before git when the changes are captured: no gateway, no CLI. The agent's HOME is there, for
    /// it may have a worktree in it, but is not git's own.</summary>
    internal IReadOnlyList<string> ForCapture(RunDirectory run, ExecutionPolicy policy) =>
    [
        bubblewrap,
        .. Namespaces,
        .. OwnNetwork,
        .. SystemOf(run, policy),
        .. Bound(policy.Mounts),
        "--bind", run.Workspace, InsidePaths.Workspace,
        "--bind", run.Home, InsidePaths.Home,
        "--bind", run.CaptureFolder, InsidePaths.Capture,
        .. Closing,
    ];

    private static IReadOnlyList<string> Namespaces { get; } =
    [
        "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns",
        "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--hostname", "berth", "--die-with-parent", "--new-session", "--cap-drop", "ALL",

        // Who starts this hands over AgentFilter.
        "--seccomp", ChildProcessStart.HandedDescriptor.ToString(CultureInfo.InvariantCulture),
    ];

    private static IReadOnlyList<string> OwnNetwork { get; } = ["--unshare-net"];

    // The runtime of this program would leave a socket in the agent's /tmp; the agent's own programs may have theirs.
    private static IEnumerable<string> Listening(string supervisor) =>
    [
        "--ro-bind", Path.GetDirectoryName(supervisor)!, InsidePaths.Supervisor,
        "--setenv", NoDiagnostics, "0",
        .. Closing,
        $"{InsidePaths.Supervisor}/{Path.GetFileName(supervisor)}", "listen",
        RunEnvironment.ProxyPort.ToString(CultureInfo.InvariantCulture),
        $"{InsidePaths.Gateway}/{RunDirectory.HandoverSocketName}", NoDiagnostics, "--",
    ];

    private static IReadOnlyList<string> Closing { get; } =
        ["--remount-ro", "/", "--chdir", InsidePaths.Workspace, "--"];

    private static IEnumerable<string> SystemOf(RunDirectory run, ExecutionPolicy policy) =>
    [
        "--ro-bind", "/usr", "/usr",
        .. TopLevel(),
        "--perms", "0755", "--dir", "/etc",
        .. EtcAllowed.SelectMany(name => new[] { "--ro-bind-try", $"/etc/{name}", $"/etc/{name}" }),
        .. PrivateEtc.Files(PrivateEtc.SandboxUser, policy.Network.Mode == NetworkMode.Open).Keys.SelectMany(
            name => new[] { "--ro-bind", Path.Combine(run.Root, PrivateEtc.FolderName, name), $"/etc/{name}" }),
        "--proc", "/proc",
        .. Guards(),
        "--dev", "/dev",
        .. Temporary("/dev/shm", "1777", policy.TempBytes),
        "--remount-ro", "/dev",
        .. Temporary("/tmp", "1777", policy.TempBytes),
        .. Temporary("/run", "0755", SmallBytes),
        .. Temporary("/home", "0755", SmallBytes),
        .. Temporary("/root", "0700", SmallBytes),
        "--perms", "0755", "--dir", "/var", "--symlink", "/tmp", "/var/tmp",
    ];

    private static IEnumerable<string> Bound(IReadOnlyList<HostMount> mounts) => mounts.SelectMany(
        mount => new[] { mount.IsWritable ? "--bind" : "--ro-bind", mount.Host, mount.Inside });

    // On most systems these are links into /usr; on some they are folders of their own.
    private static IEnumerable<string> TopLevel() =>
        from name in TopLevelNames
        let folder = new DirectoryInfo($"/{name}")
        where folder.Exists || folder.LinkTarget is not null
        from word in folder.LinkTarget is { } target
            ? new[] { "--symlink", target, $"/{name}" }
            : ["--ro-bind", $"/{name}", $"/{name}"]
        select word;

    private static IEnumerable<string> Guards() =>
    [
        .. from name in ProcReadOnly
           where Path.Exists($"/proc/{name}")
           from word in new[] { "--ro-bind", $"/proc/{name}", $"/proc/{name}" }
           select word,
        .. from name in ProcMasked
           where Path.Exists($"/proc/{name}")
           from word in new[] { "--ro-bind", "/dev/null", $"/proc/{name}" }
           select word,
    ];

    private static string[] Temporary(string path, string mode, long bytes) =>
        ["--perms", mode, "--size", bytes.ToString(CultureInfo.InvariantCulture), "--tmpfs", path];
}
