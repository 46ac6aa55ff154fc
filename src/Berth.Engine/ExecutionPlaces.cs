using Berth.Engine.Claude;
using Berth.Engine.Docker;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Engine.Executors.Local;
using Berth.Engine.Runs;
using Berth.Engine.Transcripts;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>What runs can run in on this machine: the executors, the warm containers, the run image.</summary>
internal sealed class ExecutionPlaces
{
    private readonly BerthOptions options;
    private readonly RunDirectories directories;
    private readonly JournalReader journals;
    private readonly TimeProvider time;

    public ExecutionPlaces(
        BerthOptions options, RunDirectories directories, JournalReader journals, TimeProvider time)
    {
        this.options = options;
        this.directories = directories;
        this.journals = journals;
        this.time = time;
        Executors = new ExecutorFactory(
            () => NewLocalExecutor(directories.Folder), () => NewDockerExecutor(directories.Folder), time);
    }

    /// <summary>Makes the executor of a mode.</summary>
    public ExecutorFactory Executors { get; }

    /// <summary>What is installed and what is missing, for each mode.</summary>
    public async Task<IReadOnlyList<ExecutorProbe>> ProbeAsync(CancellationToken cancel)
    {
        var claude = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home);
        var inLocal = Executors.CreateExecutor("local", "berth doctor").Executor.ProbeAsync(
            new ExecutionPolicy { Sandbox = SandboxKind.Bubblewrap }, claude, cancel);
        var inDocker = Executors.CreateExecutor("docker", "berth doctor").Executor.ProbeAsync(
            new ExecutionPolicy { Sandbox = SandboxKind.Container }, claude, cancel);
        return await Task.WhenAll(inLocal, inDocker);
    }

    /// <summary>Tries the protections from inside, in each mode that works.</summary>
    /// <param name="probes">What <see cref="ProbeAsync"/> found.</param>
    /// <param name="cancel">Gives it up.</param>
    /// <returns>The same, with what was tried.</returns>
    public async Task<IReadOnlyList<ExecutorProbe>> TryProtectionsAsync(
        IReadOnlyList<ExecutorProbe> probes, CancellationToken cancel)
    {
        var claude = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home);
        var trial = new ProtectionProbe(directories.Folder, options.SupervisorPath, time);
        return await Task.WhenAll(probes.Select(async probe => !probe.Ok || claude is null ? probe : probe with
        {
            Checks =
            [
                .. probe.Checks,
                .. probe.Mode is LocalExecutor.ModeName
                    ? await trial.TryAsync(SandboxKind.Bubblewrap, NewLocalExecutor, claude, cancel)
                    : await trial.TryAsync(SandboxKind.Container, NewDockerExecutor, claude, cancel),
            ],
        }));
    }

    /// <summary>How many warm containers wait.</summary>
    public int WaitingContainers => directories.Slots.Waiting().Count;

    /// <summary>Makes the run image of Docker mode.</summary>
    /// <param name="order">Of what.</param>
    /// <param name="progress">Takes the daemon's words, line by line.</param>
    /// <param name="cancel">Gives it up.</param>
    /// <exception cref="FailureException"><c>image_build_failed</c>, and what can be wrong with Docker.</exception>
    public async Task<RunImage> BuildImageAsync(
        RunImageOrder order, Action<string> progress, CancellationToken cancel)
    {
        var claude = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home);
        using var docker = NewDockerClient();
        return await new RunImageBuild(options.SupervisorPath, docker).RunAsync(order, claude, progress, cancel);
    }

    private LocalExecutor NewLocalExecutor(string runsFolder) => new(
        new LocalExecutorOptions
        {
            RunsFolder = runsFolder,
            SupervisorPath = options.SupervisorPath,
            ClaudeVersion = PinnedClaude.Version,
        },
        journals,
        time);

    private DockerExecutor NewDockerExecutor(string runsFolder) => new(
        DockerOptions with { RunsFolder = runsFolder }, NewDockerClient(), journals, time);

    /// <summary>The warm containers of this home.</summary>
    public WarmPool NewWarmPool() => new(DockerOptions, directories.Slots, NewDockerClient(), time);

    private DockerClient NewDockerClient() => new(DockerEndpoint.Parse(options.DockerHost), time);

    private DockerExecutorOptions DockerOptions => new()
    {
        RunsFolder = directories.Folder,
        SupervisorPath = options.SupervisorPath,
        Image = options.Image,
    };
}
