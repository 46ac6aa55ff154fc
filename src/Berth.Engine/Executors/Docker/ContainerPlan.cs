using System.Globalization;
using Berth.Engine.Docker;
using Berth.Engine.Network;
using Berth.Protocol;

namespace Berth.Engine.Executors.Docker;

/// <summary>Turns what is to be executed into a container and the supervisor's orders in it.</summary>
/// <remarks>
/// The options of a container are these and no others: nothing that a run says is ever an option. The run directory is
/// mounted below a folder that only the container's root may enter; beside it are the parts that the agent may see, at
/// the paths that they have in the sandbox of local mode.
/// </remarks>
internal sealed class ContainerPlan(DockerExecutorOptions options, ContainerLabels labels)
{
    private const string Closed = "/run/berth/supervisor";
    private const string RunInside = Closed + "/run";

    // A tmpfs is the machine's memory. Builds want room in /tmp, nothing wants it in the others.
    private const long SmallBytes = 64L * 1024 * 1024;

    // On `docker stop` and a shutdown of the daemon the supervisor has its stop plan and the time to capture.
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);

    // To be the agent's user for a moment, to take the rights from it, to signal its processes; and for root to work
    // among files that are not its own.
    private static readonly string[] Capabilities = ContainerUsers.Owner.Id == 0
        ? ["SETUID", "SETGID", "SETPCAP", "KILL", "DAC_OVERRIDE"]
        : ["SETUID", "SETGID", "SETPCAP", "KILL"];

    // The daemon's own default: never the machine's, nor one of other containers by name.
    private const string OpenNetwork = "bridge";

    // Version 2, and version 1 with a folder for each controller.
    private static readonly string[] OwnCgroups =
        ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"];

    // What an image sets for its programs is the agent's too, but for what steers Claude, the loader and ourselves.
    private static readonly string[] NotFromImage = ["ANTHROPIC_", "BERTH_", "CLAUDE", "DOTNET_", "LD_"];

    // The rest of an image's /etc is its own; names and addresses Docker itself provides.
    private static readonly string[] EtcNames = ["passwd", "group"];

    /// <summary>The paths as the agent will see them.</summary>
    internal static ExecutionLayout LayOut(string claudeBinary) => new(
        ClaudeMount.Of(claudeBinary).Inside,
        InsidePaths.Workspace,
        InsidePaths.Home,
        InsidePaths.Temp,
        InsidePaths.Agent,
        $"{InsidePaths.Gateway}/{RunDirectory.GatewaySocketName}");

    /// <summary>Makes the folders and files that are mounted.</summary>
    internal static void MakeFolders(RunDirectory run)
    {
        const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        foreach (var folder in new[]
        {
            run.Home, run.GatewayFolder, run.AgentFolder, run.CaptureFolder, run.ArtifactsInside,
        })
        {
            Directory.CreateDirectory(folder, Private);
        }

        PrivateEtc.Write(run.Root, ContainerUsers.Agent.Id);
    }

    /// <summary>The supervisor's orders.</summary>
    internal static SupervisorSpec Orders(ExecutionSpec spec, ImageDetails image, CaptureGit? git) => new()
    {
        RunId = spec.RunId,
        Facts = Facts(spec, image),
        User = ContainerUsers.Agent,
        Agent = new AgentStep
        {
            Argv = spec.Argv,
            Environment = RunEnvironment.ForAgent(spec with { Environment = WithImages(spec.Environment, image) }),
            WorkingDirectory = StartFolder.Of(InsidePaths.Workspace, spec.Directory),
        },

        // The supervisor is in the container, and its loopback is the agent's.
        Proxy = spec.Policy.Network.Mode == NetworkMode.Allowlist
            ? new ProxyStep(RunEnvironment.ProxyPort, IsHandedOver: false)
            : null,
        Capture = spec.Capture is not { } plan || git is null ? null : new CaptureStep
        {
            Prefix = [],

            // Not /tmp, which was the agent's.
            Environment = RunEnvironment.ForCapture(InsidePaths.Capture, spec.RunId),
            Root = git.Root,
            Git = git.Program,
            Workspace = InsidePaths.Workspace,
            Bundle = $"{InsidePaths.Capture}/work.bundle",
            BaseCommit = plan.BaseCommit,
            BorrowedObjects = plan.BorrowedObjects,
            Message = plan.Message,
            AuthorName = plan.AuthorName,
            AuthorEmail = plan.AuthorEmail,
            TimeLimit = plan.TimeLimit,
        },
        Filter = FilterWay.BySupervisor,
        Limits = spec.Limits with { CountedCgroups = OwnCgroups },
        Stop = spec.Stop,
    };

    /// <summary>The container.</summary>
    /// <param name="wanted">What it is for.</param>
    /// <param name="git">Where git is.</param>
    internal ContainerOrder Order(WantedContainer wanted, CaptureGit? git)
    {
        var policy = wanted.Shape.Policy;
        var isOpen = policy.Network.Mode == NetworkMode.Open;
        var run = Real(wanted.Directory);
        return new ContainerOrder
        {
            Image = wanted.Image.Id,
            Entrypoint = [$"{InsidePaths.Supervisor}/{Path.GetFileName(options.SupervisorPath)}"],
            Cmd =
            [
                RunInside, Number(ContainerUsers.Owner.Id), Number(ContainerUsers.Owner.Group),
                .. wanted.RunId is null ? [RunDirectory.WaitWord] : Array.Empty<string>(),
            ],
            Env = SupervisorEnvironment(wanted.RunId),
            User = "0:0",
            NetworkDisabled = !isOpen,
            StopTimeout = (int)StopLimit.TotalSeconds,
            Labels = labels.Of(wanted.RunId),
            HostConfig = new ContainerHostConfig
            {
                NetworkMode = isOpen ? OpenNetwork : "none",
                CapAdd = git?.Root is null ? Capabilities : [.. Capabilities, "SYS_CHROOT"],
                Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["/tmp"] = Temporary("1777", policy.TempBytes),
                    ["/var/tmp"] = Temporary("1777", SmallBytes),
                    ["/run"] = Temporary("0755", SmallBytes),
                    [Closed] = Temporary("0700", SmallBytes),
                },
                Mounts =
                [
                    .. Mounts(run, wanted),
                    .. git is { Root: { } root } ? CaptureGit.Mounts(run, policy, root) : [],
                ],
                ShmSize = policy.TempBytes,
                Memory = policy.MemoryBytes,

                // The same number again: no swap beside it.
                MemorySwap = policy.MemoryBytes,
                PidsLimit = policy.Processes,
                NanoCpus = policy.Cpus is { } cpus ? (long)(cpus * 1_000_000_000) : null,
            },
        };
    }

    /// <summary>A run directory may be a link, and a mount is of what it leads to.</summary>
    internal static RunDirectory Real(RunDirectory run) =>
        new(new DirectoryInfo(run.Root).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? run.Root);

    // An image that was made from these very files has them at these very places; there the CLI can be read, which a
    // run that guards it must not have.
    private IEnumerable<ContainerMount> Programs(ContainerShape shape, ImageDetails image)
    {
        var claude = ClaudeMount.Of(shape.ClaudeBinary);
        if (shape.Policy.GuardsClaude || !IsIn(image, RunImageBuild.ClaudeLabel, claude.Program))
        {
            foreach (var mount in claude.Guarded(options.RunsFolder, shape.Policy).Mounts)
            {
                yield return new ContainerMount(mount.Host, mount.Inside, ReadOnly: true);
            }
        }

        if (!IsIn(image, RunImageBuild.SupervisorLabel, options.SupervisorPath))
        {
            yield return new ContainerMount(
                Path.GetDirectoryName(options.SupervisorPath)!, InsidePaths.Supervisor, ReadOnly: true);
        }
    }

    private static bool IsIn(ImageDetails image, string label, string program) => string.Equals(
        image.Config?.Labels?.GetValueOrDefault(label), RunImageBuild.MarkOf(program), StringComparison.Ordinal);

    private IEnumerable<ContainerMount> Mounts(RunDirectory run, WantedContainer wanted) =>
    [
        new(run.Root, RunInside, ReadOnly: false),
        new(run.Workspace, InsidePaths.Workspace, ReadOnly: false),
        new(run.Home, InsidePaths.Home, ReadOnly: false),
        new(run.CaptureFolder, InsidePaths.Capture, ReadOnly: false),
        new(run.ArtifactsInside, InsidePaths.Artifacts, ReadOnly: false),
        new(run.GatewayFolder, InsidePaths.Gateway, ReadOnly: true),
        new(run.AgentFolder, InsidePaths.Agent, ReadOnly: true),
        .. Programs(wanted.Shape, wanted.Image),
        .. from name in EtcNames
           select new ContainerMount(Path.Combine(run.Root, PrivateEtc.FolderName, name), $"/etc/{name}", true),
        .. from mount in wanted.Shape.Policy.Mounts.Concat(wanted.Shape.Policy.ExtraMounts)
           select new ContainerMount(mount.Host, mount.Inside, ReadOnly: !mount.IsWritable),
    ];

    // Whatever the image says of the loader: it is not meant for this program.
    private static IReadOnlyList<string> SupervisorEnvironment(string? runId) =>
    [
        .. runId is null ? Array.Empty<string>() : [$"{RunProcesses.Variable}={runId}"],
        "DOTNET_EnableDiagnostics=0", "LD_PRELOAD=", "LD_LIBRARY_PATH=",
    ];

    private static Dictionary<string, string> WithImages(
        IReadOnlyDictionary<string, string> environment, ImageDetails image)
    {
        var merged = new Dictionary<string, string>(environment, StringComparer.Ordinal);
        foreach (var variable in image.Config?.Env ?? [])
        {
            var name = variable.Split('=', 2) is [{ Length: > 0 } before, _] ? before : null;
            var isPath = name is "PATH";
            if (name is not null && (isPath || !merged.ContainsKey(name))
                && !Array.Exists(NotFromImage, prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
            {
                merged[name] = variable[(name.Length + 1)..];
            }
        }

        return merged;
    }

    private static Dictionary<string, string> Facts(ExecutionSpec spec, ImageDetails image)
    {
        var facts = new Dictionary<string, string>(spec.Facts, StringComparer.Ordinal)
        {
            ["mode"] = DockerExecutor.ModeName,
            ["sandbox"] = "container",
            ["network"] = spec.Policy.Network.ToString(),
            ["image"] = image.Id,
        };
        if (spec.Policy.MemoryBytes is { } bytes)
        {
            facts["memoryLimit"] = string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes");
        }

        if (spec.Policy.Processes is { } count)
        {
            facts["processLimit"] = count.ToString(CultureInfo.InvariantCulture);
        }

        if (spec.Policy.Cpus is { } cpus)
        {
            facts["cpuLimit"] = cpus.ToString(CultureInfo.InvariantCulture);
        }

        return facts;
    }

    private static string Number(uint number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Temporary(string mode, long bytes) =>
        string.Create(CultureInfo.InvariantCulture, $"rw,exec,nosuid,nodev,mode={mode},size={bytes}");
}
