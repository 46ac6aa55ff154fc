using System.Globalization;
using Berth.Engine.Processes;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>A Docker daemon for one test, which may end it and start it again as it likes.</summary>
internal sealed class PrivateDaemon : IAsyncDisposable
{
    private const string Program = "/usr/sbin/dockerd";
    private const int Terminate = 15;
    private const int Kill = 9;
    private static readonly ProcessRunner Runner = new(TimeProvider.System);
    private static readonly Dictionary<string, string> Surroundings = new(StringComparer.Ordinal)
    {
        ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ["HOME"] = "/",
    };

    // A socket's path may have 107 bytes.
    private readonly string folder = Directory.CreateTempSubdirectory("berth-dockerd-").FullName;
    private readonly string driver;
    private readonly bool liveRestore;
    private readonly uint group;
    private ChildProcess? process;

    private PrivateDaemon(string driver, bool liveRestore, uint group)
    {
        this.driver = driver;
        this.liveRestore = liveRestore;
        this.group = group;

        // The socket's group may pass through.
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.OtherExecute);
    }

    internal string Host => $"unix://{folder}/docker.sock";

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    /// <summary>Starts one that has the run image.</summary>
    /// <param name="liveRestore">Whether its containers go on when it ends.</param>
    /// <param name="group">The group that may speak to it, beside root.</param>
    internal static async Task<PrivateDaemon> StartAsync(bool liveRestore, uint group = 0)
    {
        var shared = SystemTestEnvironment.DockerHost;
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists(Program), "Starting a daemon takes root.");
        var storage = await DockerAsync(shared, "info", "--format", "{{.Driver}}");
        var daemon = new PrivateDaemon(storage.Trim(), liveRestore, group);
        await daemon.StartAsync();
        var image = Path.Combine(daemon.folder, "image.tar");
        await DockerAsync(shared, "save", "--output", image, SystemTestEnvironment.RunImage);
        await DockerAsync(daemon.Host, "load", "--input", image);
        return daemon;
    }

    /// <summary>Starts it, with what it had.</summary>
    internal async Task StartAsync()
    {
        process = ChildProcess.Start(new ChildProcessStart
        {
            FileName = Program,
            Arguments =
            [
                "--data-root", $"{folder}/data", "--exec-root", $"{folder}/exec", "--host", Host,
                "--pidfile", $"{folder}/pid", "--storage-driver", driver, "--bridge", "none", "--iptables=false",
                "--ip6tables=false", "--log-level", "warn", $"--live-restore={(liveRestore ? "true" : "false")}",
                "--group", group.ToString(CultureInfo.InvariantCulture),
            ],
            Environment = Surroundings,
            Error = ChildStdio.File($"{folder}/log"),
        });
        await Eventually.TrueAsync(
            async () =>
            {
                var said = await File.ReadAllTextAsync($"{folder}/log", Ending);
                Assert.False(process.Exit.IsCompleted, $"dockerd ended: {said}");
                return File.Exists($"{folder}/docker.sock") && await AnswersAsync(Host);
            },
            "dockerd answers");
    }

    /// <summary>Ends it as a service is ended, and waits for its end.</summary>
    internal async Task EndAsync()
    {
        Assert.True(process!.Signal(Terminate));
        await GoneAsync();
    }

    /// <summary>Kills it with -9, and the containerd that it had started. What holds a container, a shim for each,
    /// stays.</summary>
    internal async Task KillAsync()
    {
        var containerd = ExecutorStage.ProcessesWith(folder).Where(IsContainerd)
            .Select(Identity).OfType<ProcessIdentity>().ToList();
        Assert.True(process!.Signal(Kill));
        await GoneAsync();
        foreach (var child in containerd)
        {
            _ = child.Signal(Kill);
        }

        await Eventually.TrueAsync(() => containerd.TrueForAll(child => !child.IsAlive), "containerd is dead");

        // Where nobody reaps orphans, a zombie has its number, which a new daemon would take for it.
        File.Delete($"{folder}/exec/containerd/containerd.pid");
    }

    /// <summary>All containers that it has, running or not.</summary>
    internal async Task<IReadOnlyList<string>> ContainersAsync() =>
        (await DockerAsync(Host, "ps", "--all", "--quiet")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public async ValueTask DisposeAsync()
    {
        if (process is { Exit.IsCompleted: false })
        {
            foreach (var container in await ContainersAsync())
            {
                await DockerAsync(Host, "rm", "--force", container);
            }

            await EndAsync();
        }

        process?.Dispose();

        // What a daemon has forgotten that did not come back: what it had started names this folder.
        foreach (var left in ExecutorStage.ProcessesWith(folder))
        {
            _ = Identity(left)?.Signal(Kill);
        }

        await ExecutorStage.NoProcessesWithAsync(folder);
        var mounts = (await File.ReadAllLinesAsync("/proc/self/mountinfo", Ending)).Select(line => line.Split(' ')[4])
            .Where(point => point.StartsWith(folder + "/", StringComparison.Ordinal));
        foreach (var point in mounts.Reverse())
        {
            await RunAsync("/usr/bin/umount", [point]);
        }

        await RunAsync("/usr/bin/rm", ["-rf", "--", folder]);
    }

    private async Task GoneAsync()
    {
        await process!.Exit.WaitAsync(Eventually.Bound, Ending);
        process.Dispose();
        process = null;
    }

    private static bool IsContainerd(string folder) =>
        File.Exists($"{folder}/comm") && File.ReadAllText($"{folder}/comm") is "containerd\n";

    private static ProcessIdentity? Identity(string folder) =>
        ProcessIdentity.Of(int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture));

    private static async Task<bool> AnswersAsync(string host) =>
        (await RunnerAsync("/usr/bin/docker", ["--host", host, "version"])).Succeeded;

    private static async Task<string> DockerAsync(string host, params string[] words) =>
        await RunAsync("/usr/bin/docker", ["--host", host, .. words]);

    private static async Task<string> RunAsync(string program, IReadOnlyList<string> words)
    {
        var result = await RunnerAsync(program, words);
        Assert.True(result.Succeeded, $"{program} {string.Join(' ', words)}: {result.Error}");
        return System.Text.Encoding.UTF8.GetString(result.Output.Span);
    }

    private static Task<ProcessResult> RunnerAsync(string program, IReadOnlyList<string> words) => Runner.RunAsync(
        new ProcessRequest
        {
            FileName = program, Arguments = words, Environment = Surroundings, Timeout = Eventually.Bound,
        },
        Ending);
}
