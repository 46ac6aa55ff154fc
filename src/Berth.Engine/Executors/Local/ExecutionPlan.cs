using System.Globalization;
using Berth.Engine.Network;
using Berth.Protocol;

namespace Berth.Engine.Executors.Local;

/// <summary>Turns what is to be executed into what the supervisor is to do: paths, the sandbox's words, and what must
/// be there first.</summary>
internal sealed class ExecutionPlan(LocalExecutorOptions options)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The paths as the agent will see them.</summary>
    internal static ExecutionLayout LayOut(RunDirectory run, SandboxKind sandbox, string claudeBinary)
    {
        var claude = ClaudeMount.Of(claudeBinary);
        return sandbox == SandboxKind.Bubblewrap
            ? new ExecutionLayout(
                claude.Inside,
                InsidePaths.Workspace,
                InsidePaths.Home,
                InsidePaths.Temp,
                InsidePaths.Agent,
                $"{InsidePaths.Gateway}/{RunDirectory.GatewaySocketName}")
            : new ExecutionLayout(
                claude.Program,
                run.Workspace,
                run.Home,
                Path.Combine(run.Home, "tmp"),
                run.AgentFolder,
                Path.Combine(run.GatewayFolder, RunDirectory.GatewaySocketName))
            {
                Artifacts = run.ArtifactsInside,
            };
    }

    /// <summary>Refuses what cannot work, before anything is started.</summary>
    internal void Check(RunDirectory run, ExecutionSpec spec)
    {
        ExecutionChecks.Check(run, spec);
        if (spec.Policy.Sandbox == SandboxKind.Bubblewrap && Bubblewrap is null)
        {
            throw new FailureException(Missing.Bubblewrap);
        }

        if (spec.Capture is not null && GitFor(spec.Policy.Sandbox) is null)
        {
            throw new FailureException(Missing.Git);
        }
    }

    /// <summary>Makes the folders and files that the sandbox is built from. What is there already stays as it
    /// is.</summary>
    internal static void Prepare(RunDirectory run, ExecutionPolicy policy)
    {
        foreach (var folder in new[]
        {
            run.Home, run.GatewayFolder, run.AgentFolder, run.CaptureFolder, run.ArtifactsInside,
        })
        {
            Directory.CreateDirectory(folder, Private);
        }

        if (policy.Sandbox == SandboxKind.None)
        {
            Directory.CreateDirectory(Path.Combine(run.Home, "tmp"), Private);
            return;
        }

        PrivateEtc.Write(run.Root, PrivateEtc.SandboxUser, policy.Network.Mode == NetworkMode.Open);
    }

    /// <summary>The supervisor's orders.</summary>
    /// <param name="run">The run directory.</param>
    /// <param name="spec">What to execute.</param>
    /// <param name="groups">The control groups of this system; null where the policy asks for no limit.</param>
    internal SupervisorSpec Build(RunDirectory run, ExecutionSpec spec, ControlGroups? groups)
    {
        var sandboxed = spec.Policy.Sandbox == SandboxKind.Bubblewrap;
        IReadOnlyList<string> prefix = sandboxed
            ? new BubblewrapCommand(Bubblewrap!).ForAgent(
                run,
                spec.Policy,
                ClaudeMount.Of(spec.ClaudeBinary).Guarded(options.RunsFolder, spec.Policy),
                options.SupervisorPath)
            : [];
        return new SupervisorSpec
        {
            RunId = spec.RunId,
            Facts = Facts(spec, groups),
            Agent = new AgentStep
            {
                Argv = [.. StartFolder.In(prefix, spec.Directory), .. spec.Argv],
                Wrappers = sandboxed ? BubblewrapCommand.Wrappers : 0,
                Environment = RunEnvironment.ForAgent(spec),
                WorkingDirectory = sandboxed ? null : StartFolder.Of(run.Workspace, spec.Directory),
            },
            Proxy = spec.Policy.Network.Mode == NetworkMode.Allowlist
                ? new ProxyStep(RunEnvironment.ProxyPort, IsHandedOver: true)
                : null,
            Capture = spec.Capture is null ? null : CaptureStep(run, spec, spec.Capture),
            Filter = sandboxed ? FilterWay.ByWrapper : FilterWay.None,
            Limits = spec.Limits with { Cgroups = groups?.FoldersOf(spec.RunId, spec.Policy) ?? [] },
            Stop = spec.Stop,
        };
    }

    /// <summary>The bubblewrap program, or null.</summary>
    internal string? Bubblewrap =>
        options.BubblewrapPath is not { } named ? ProgramSearch.Find("bwrap")
        : ProgramSearch.IsProgram(named) ? named
        : null;

    /// <summary>The git program that captures, as its path will be there; or null.</summary>
    internal string? GitFor(SandboxKind sandbox) => options.GitPath is { } named
        ? ProgramSearch.IsProgram(named) && (sandbox == SandboxKind.None || ProgramSearch.IsInside(named)) 
            ? named
            : null
        : sandbox == SandboxKind.None ? ProgramSearch.Find("git") : ProgramSearch.FindInside("git");

    private CaptureStep CaptureStep(RunDirectory run, ExecutionSpec spec, CapturePlan plan)
    {
        var sandboxed = spec.Policy.Sandbox == SandboxKind.Bubblewrap;
        var home = sandboxed ? InsidePaths.Temp : run.CaptureFolder;
        return new CaptureStep
        {
            Prefix = sandboxed ? new BubblewrapCommand(Bubblewrap!).ForCapture(run, spec.Policy) : [],
            Wrappers = sandboxed ? BubblewrapCommand.Wrappers : 0,
            Environment = RunEnvironment.ForCapture(home, spec.RunId),
            Git = GitFor(spec.Policy.Sandbox)!,
            Workspace = sandboxed ? InsidePaths.Workspace : run.Workspace,
            Bundle = sandboxed ? $"{InsidePaths.Capture}/{Path.GetFileName(run.BundleFile)}" : run.BundleFile,
            BaseCommit = plan.BaseCommit,
            BorrowedObjects = plan.BorrowedObjects,
            Message = plan.Message,
            AuthorName = plan.AuthorName,
            AuthorEmail = plan.AuthorEmail,
            TimeLimit = plan.TimeLimit,
        };
    }

    private static Dictionary<string, string> Facts(ExecutionSpec spec, ControlGroups? groups)
    {
        var facts = new Dictionary<string, string>(spec.Facts, StringComparer.Ordinal)
        {
            ["mode"] = LocalExecutor.ModeName,
            ["sandbox"] = spec.Policy.Sandbox == SandboxKind.Bubblewrap ? "bubblewrap" : "none (weak)",
            ["network"] =
                spec.Policy.Sandbox == SandboxKind.Bubblewrap ? spec.Policy.Network.ToString() : "open (weak)",
        };
        if (spec.Policy.MemoryBytes is { } bytes)
        {
            facts["memoryLimit"] = groups?.Memory is null ? NotHere
                : string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes");
        }

        if (spec.Policy.Processes is { } count)
        {
            facts["processLimit"] = groups?.Processes is null ? NotHere : count.ToString(CultureInfo.InvariantCulture);
        }

        if (spec.Policy.Cpus is { } cpus)
        {
            facts["cpuLimit"] = groups?.Cpu is null ? NotHere : cpus.ToString(CultureInfo.InvariantCulture);
        }

        return facts;
    }

    private const string NotHere = "not available on this system";
}
