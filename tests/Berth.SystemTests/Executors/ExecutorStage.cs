using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Engine.Executors;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>A folder of run directories, an executor over it, and what a test does with a run.</summary>
internal sealed class ExecutorStage : IAsyncDisposable
{
    private readonly Func<string, IExecutor> create;
    private readonly SandboxKind sandbox;
    private readonly List<string> runs = [];

    internal ExecutorStage(SandboxKind sandbox, Func<string, IExecutor> create)
    {
        this.sandbox = sandbox;
        this.create = create;
        RunsFolder = Directory.CreateTempSubdirectory("berth-executor-").FullName;
        Executor = create(RunsFolder);
    }

    internal string RunsFolder { get; }

    internal IExecutor Executor { get; private set; }

    internal ExecutionPolicy Policy => new()
    {
        Sandbox = sandbox,
        Mounts = sandbox == SandboxKind.Container ? [Runtime] : RuntimeMounts,
    };

    /// <summary>Stages that pass quickly: a test of the stop plan is about their order.</summary>
    internal static StopPlan QuickStop { get; } = new()
    {
        InterruptGrace = TimeSpan.FromSeconds(0.4),
        TermGrace = TimeSpan.FromSeconds(0.4),
        TermAllGrace = TimeSpan.FromSeconds(0.4),
        KillGrace = TimeSpan.FromSeconds(5),
    };

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    // Under /usr the runtime is in the sandbox anyway.
    private static HostMount[] RuntimeMounts =>
        SystemTestEnvironment.DotnetRoot.StartsWith("/usr/", StringComparison.Ordinal)
            ? []
            : [Runtime];

    private static HostMount Runtime { get; } =
        new(SystemTestEnvironment.DotnetRoot, SystemTestEnvironment.DotnetRoot);

    /// <summary>All that another process would have: the folder. The old object is forgotten, as by a killed
    /// host.</summary>
    internal void Restart() => Executor = create(RunsFolder);

    /// <summary>Makes a run directory with a workspace.</summary>
    internal RunDirectory NewRun()
    {
        var id = $"t{Guid.NewGuid():N}";
        var run = new RunDirectory(Path.Combine(RunsFolder, id));
        Directory.CreateDirectory(run.Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateDirectory(run.Workspace);
        runs.Add(id);
        return run;
    }

    internal static string IdOf(RunDirectory run) => Path.GetFileName(run.Root);

    /// <summary>An execution of the CLI that misbehaves; each verb is one of its script.</summary>
    internal ExecutionSpec Fake(RunDirectory run, params string[] verbs)
    {
        var layout = Executor.LayOut(IdOf(run), Policy, SystemTestEnvironment.FakeClaude);
        return Spec(run, [layout.Claude, .. verbs.SelectMany(verb => new[] { "--fake", verb })]);
    }

    /// <summary>An execution of a shell command in the place of the CLI: it starts in a millisecond.</summary>
    /// <remarks>Where its input is a socket, bash takes itself for a remote shell's, and reads ~/.bashrc.</remarks>
    internal ExecutionSpec Shell(RunDirectory run, string script) =>
        Spec(run, ["/bin/bash", "--norc", "-c", script]);

    internal ExecutionSpec Spec(RunDirectory run, IReadOnlyList<string> argv)
    {
        var layout = Executor.LayOut(IdOf(run), Policy, SystemTestEnvironment.FakeClaude);
        File.WriteAllText(run.InputFile, """{"type":"user","message":{"role":"user","content":"go"}}""" + "\n");
        return new ExecutionSpec
        {
            RunId = IdOf(run),
            Argv = argv,
            Environment = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
                ["HOME"] = layout.Home,
                ["TMPDIR"] = layout.Temp,
                ["DOTNET_ROOT"] = SystemTestEnvironment.DotnetRoot,
                ["DOTNET_EnableDiagnostics"] = "0",
                ["DOTNET_TieredPGO"] = "0",
            },
            Policy = Policy,
            ClaudeBinary = SystemTestEnvironment.FakeClaude,
            Stop = QuickStop,
        };
    }

    /// <summary>A handle as a supervisor would have written it.</summary>
    internal static string HandleJson(string runId, ProcessIdentity supervisor) => JsonSerializer.Serialize(
        new ExecutionHandle(runId, supervisor, DateTimeOffset.UnixEpoch), ProtocolJson.Default.ExecutionHandle);

    internal async Task<ExecutionHandle> StartAsync(ExecutionSpec spec)
    {
        return await Executor.ExecuteClaudeTaskAsync(spec, Ending).WaitAsync(Eventually.Bound, Ending);
    }

    /// <summary>Starts it and waits for its end.</summary>
    internal async Task<ExitRecord> RunAsync(ExecutionSpec spec)
    {
        await StartAsync(spec);
        return await EndOfAsync(spec.RunId);
    }

    internal Task<ExitRecord> EndOfAsync(string runId) => Eventually.SomeAsync(
        async () => await Executor.RecoverAsync(runId, Ending) switch
        {
            { State: ExecutionState.Exited, Exit: { } exit } => exit,
            { State: ExecutionState.Gone, Failure: { } lost } => throw new InvalidOperationException(lost.Message),
            _ => null,
        },
        $"run {runId} ends");

    internal async Task<IReadOnlyList<JournalEntry>> JournalAsync(string runId, long after = 0, bool follow = false)
    {
        using var bound = new CancellationTokenSource(Eventually.Bound);
        var entries = new List<JournalEntry>();
        await foreach (var entry in Executor.GetExecutionLogsAsync(runId, after, follow, bound.Token))
        {
            entries.Add(entry);
        }

        return entries;
    }

    /// <summary>Waits until the journal has an event of a type, whoever wrote it.</summary>
    internal Task<JournalEntry> EventAsync(string runId, string type) => Eventually.SomeAsync(
        async () => (await JournalAsync(runId)).FirstOrDefault(entry => Is(entry, type)),
        $"run {runId} has the event {type}");

    internal static bool Is(JournalEntry entry, string type) =>
        entry.Data.ValueKind == JsonValueKind.Object
        && entry.Data.TryGetProperty("type", out var said)
        && said.ValueEquals(type);

    /// <summary>What a shell in the place of the CLI printed, line by line.</summary>
    internal async Task<IReadOnlyList<string>> PrintedAsync(string runId, bool follow = false) =>
    [
        .. from entry in await JournalAsync(runId, follow: follow)
           where entry.Stream is JournalEntry.Stdout or JournalEntry.Stderr
           select entry.Data.ValueKind == JsonValueKind.String ? entry.Data.GetString()! : entry.Data.GetRawText(),
    ];

    /// <summary>Host processes that have a word in their command line.</summary>
    internal static IReadOnlyList<string> ProcessesWith(string word)
    {
        var found = new List<string>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            try
            {
                if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out _)
                    && Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, "cmdline")))
                        .Contains(word, StringComparison.Ordinal))
                {
                    found.Add(folder);
                }
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return found;
    }

    /// <summary>Runs a program of the machine to its end, which must be a good one.</summary>
    internal static async Task ToolAsync(string name, IReadOnlyList<string> arguments)
    {
        using var tool = ChildProcess.Start(new ChildProcessStart
        {
            FileName = ProgramSearch.Find(name)!,
            Arguments = arguments,
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { ["PATH"] = "/usr/bin:/bin" },
        });
        Assert.Equal(0, (await tool.Exit.WaitAsync(Eventually.Bound)).Code);
    }

    /// <summary>The supervisor's last record is there a moment before it has ended itself.</summary>
    internal static Task NoProcessesAsync(string runId) =>
        Eventually.TrueAsync(
            () => !RunProcesses.All()[runId].Any(), $"no process of run {runId} is left");

    /// <summary>Waits until no host process has a word in its command line: what was killed is seen for a moment
    /// more.</summary>
    internal static Task NoProcessesWithAsync(string word) =>
        Eventually.TrueAsync(() => ProcessesWith(word).Count == 0, $"no process with '{word}' is left");

    internal Task<IReadOnlyList<string>> CleanUpAsync(string runId, bool keepWorkspace = false) =>
        Executor.CleanUpAsync(runId, keepWorkspace, Ending).WaitAsync(Eventually.Bound, Ending);

    public async ValueTask DisposeAsync()
    {
        using var bound = new CancellationTokenSource(Eventually.Bound);
        foreach (var run in runs)
        {
            await create(RunsFolder).CleanUpAsync(run, keepWorkspace: false, bound.Token);
        }

        SafeDeletion.Remove(Path.GetDirectoryName(RunsFolder)!, [Path.GetFileName(RunsFolder)], bound.Token);
    }
}
