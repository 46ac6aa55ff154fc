using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Executors.Local;

/// <summary>Turns what is to be executed into what the supervisor is to do: paths, the sandbox's words, and what must
/// be there first.</summary>
internal sealed class ExecutionPlan(LocalExecutorOptions options)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // The bounds that ExecutionPolicy documents: below them not even the CLI starts.
    private const long LeastMemory = 64L * 1024 * 1024;
    private const int LeastProcesses = 16;

    /// <summary>The paths as the agent will see them.</summary>
    internal static ExecutionLayout LayOut(RunDirectory run, SandboxKind sandbox, string claudeBinary)
    {
        var program = ClaudeProgram.Resolve(claudeBinary);
        return sandbox == SandboxKind.Bubblewrap
            ? new ExecutionLayout(
                $"{InsidePaths.ClaudeFolder}/{Path.GetFileName(program)}",
                InsidePaths.Workspace,
                InsidePaths.Home,
                InsidePaths.Temp,
                InsidePaths.Agent,
                $"{InsidePaths.Gateway}/{RunDirectory.GatewaySocketName}")
            : new ExecutionLayout(
                program,
                run.Workspace,
                run.Home,
                Path.Combine(run.Home, "tmp"),
                run.AgentFolder,
                Path.Combine(run.GatewayFolder, RunDirectory.GatewaySocketName));
    }

    /// <summary>Refuses what cannot work, before anything is started.</summary>
    internal void Check(RunDirectory run, ExecutionSpec spec)
    {
        if (!Directory.Exists(run.Workspace))
        {
            throw new FailureException(
                "workspace_missing",
                $"The execution of run {spec.RunId} was to start in {run.Workspace}, which is not there.",
                "Prepare the workspace first.",
                Fault.Berth);
        }

        if (ClaudeProgram.Inspect(ClaudeProgram.Resolve(spec.ClaudeBinary)) is { } wrong)
        {
            throw new FailureException(wrong);
        }

        if (spec.Policy.Sandbox == SandboxKind.Bubblewrap && Bubblewrap is null)
        {
            throw new FailureException(Missing.Bubblewrap);
        }

        if (spec.Capture is not null && GitFor(spec.Policy.Sandbox) is null)
        {
            throw new FailureException(Missing.Git);
        }

        foreach (var mount in spec.Policy.Mounts)
        {
            CheckMount(mount);
        }

        CheckLimits(spec.Policy);
    }

    /// <summary>Makes the folders and files that the sandbox is built from. What is there already stays as it
    /// is.</summary>
    internal static void Prepare(RunDirectory run, SandboxKind sandbox)
    {
        foreach (var folder in new[] { run.Home, run.GatewayFolder, run.AgentFolder, run.CaptureFolder })
        {
            Directory.CreateDirectory(folder, Private);
        }

        if (sandbox == SandboxKind.None)
        {
            Directory.CreateDirectory(Path.Combine(run.Home, "tmp"), Private);
            return;
        }

        var etc = Directory.CreateDirectory(Path.Combine(run.Root, BubblewrapCommand.EtcFolder), Private).FullName;
        foreach (var (name, text) in BubblewrapCommand.EtcFiles)
        {
            File.WriteAllText(Path.Combine(etc, name), text);
        }
    }

    /// <summary>The supervisor's orders.</summary>
    /// <param name="run">The run directory.</param>
    /// <param name="spec">What to execute.</param>
    /// <param name="groups">The control groups of this system; null where the policy asks for no limit.</param>
    internal SupervisorSpec Build(RunDirectory run, ExecutionSpec spec, ControlGroups? groups)
    {
        var sandboxed = spec.Policy.Sandbox == SandboxKind.Bubblewrap;
        IReadOnlyList<string> prefix = sandboxed
            ? new BubblewrapCommand(Bubblewrap!).ForAgent(run, spec.Policy, ClaudeProgram.Resolve(spec.ClaudeBinary))
            : [];
        return new SupervisorSpec
        {
            RunId = spec.RunId,
            Facts = Facts(spec, groups),
            Agent = new AgentStep
            {
                Argv = [.. prefix, .. spec.Argv],
                Wrappers = sandboxed ? BubblewrapCommand.Wrappers : 0,
                Environment = Marked(spec.Environment, spec.RunId),
                WorkingDirectory = sandboxed ? null : run.Workspace,
            },
            Capture = spec.Capture is null ? null : CaptureStep(run, spec, spec.Capture),
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
            Environment = Marked(CaptureEnvironment(home), spec.RunId),
            Git = GitFor(spec.Policy.Sandbox)!,
            Workspace = sandboxed ? InsidePaths.Workspace : run.Workspace,
            Bundle = sandboxed ? $"{InsidePaths.Capture}/{Path.GetFileName(run.BundleFile)}" : run.BundleFile,
            BaseCommit = plan.BaseCommit,
            Message = plan.Message,
            AuthorName = plan.AuthorName,
            AuthorEmail = plan.AuthorEmail,
            TimeLimit = plan.TimeLimit,
        };
    }

    // The agent may have written a ~/.gitconfig, and the machine may have one with credentials: capture reads neither.
    private static Dictionary<string, string> CaptureEnvironment(string home) => new(StringComparer.Ordinal)
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = home,
        ["LANG"] = "C.UTF-8",
        ["GIT_CONFIG_NOSYSTEM"] = "1",
        ["GIT_CONFIG_GLOBAL"] = "/dev/null",
        ["GIT_TERMINAL_PROMPT"] = "0",
    };

    private static Dictionary<string, string> Marked(IReadOnlyDictionary<string, string> environment, string runId) =>
        new(environment, StringComparer.Ordinal) { [RunProcesses.Variable] = runId };

    private static Dictionary<string, string> Facts(ExecutionSpec spec, ControlGroups? groups)
    {
        var facts = new Dictionary<string, string>(spec.Facts, StringComparer.Ordinal)
        {
            ["mode"] = LocalExecutor.ModeName,
            ["sandbox"] = spec.Policy.Sandbox == SandboxKind.Bubblewrap ? "bubblewrap" : "none (weak)",
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

        return facts;
    }

    private const string NotHere = "not available on this system";

    private static void CheckMount(ReadOnlyMount mount)
    {
        if (!Path.IsPathFullyQualified(mount.Inside) || mount.Inside is "/"
            || !string.Equals(Path.GetFullPath(mount.Inside), mount.Inside, StringComparison.Ordinal))
        {
            throw new FailureException(
                "mount_invalid",
                $"The run was to see {mount.Host} at '{mount.Inside}', which is not a plain absolute path.",
                "Use an absolute path without '.', '..' and a slash at the end.",
                Fault.User);
        }

        if (!Path.Exists(mount.Host))
        {
            throw new FailureException(
                "mount_missing", $"The run was to see {mount.Host}, which is not there.", "Make it, or leave it out.",
                Fault.Operator);
        }
    }

    private static void CheckLimits(ExecutionPolicy policy)
    {
        if (policy.MemoryBytes is < LeastMemory || policy.Processes is < LeastProcesses)
        {
            throw new FailureException(
                "limit_invalid",
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The run was to have {policy.MemoryBytes} bytes and {policy.Processes} processes: too few."),
                $"Give it at least {LeastMemory} bytes and {LeastProcesses} processes.",
                Fault.User);
        }
    }
}
