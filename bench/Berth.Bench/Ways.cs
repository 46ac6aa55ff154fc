namespace Berth.Bench;

/// <summary>The four ways to run one task: the CLI alone and under Berth, on the machine and in a container.</summary>
internal sealed class Ways(Ground ground)
{
    private int number;

    /// <summary>Their names, in the order of <see cref="All"/>.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["bare CLI", "Berth, local", "bare `docker run`", "Berth, Docker"];

    /// <summary>Each takes a task once, and says how long it took in all.</summary>
    public IReadOnlyList<Func<BenchTask, CancellationToken, Task<WayTime>>> All =>
        [BareAsync, LocalAsync, ContainerAsync, DockerAsync];

    private async Task<WayTime> BareAsync(BenchTask task, CancellationToken cancel)
    {
        var name = $"way{Interlocked.Increment(ref number)}";
        return new WayTime(
            task.StandIn is { } program
                ? (await Ground.TimeAsync(program, [], ground.Environment, ground.Folder, cancel)).Milliseconds
                : await ground.RunBareAsync(name, cancel, task.Script),
            UntilStarted: null);
    }

    private Task<WayTime> LocalAsync(BenchTask task, CancellationToken cancel) => BerthAsync("local", task, cancel);

    private Task<WayTime> DockerAsync(BenchTask task, CancellationToken cancel) =>
        BerthAsync("docker", task, cancel);

    private async Task<WayTime> BerthAsync(string mode, BenchTask task, CancellationToken cancel)
    {
        var began = DateTimeOffset.UtcNow;
        var (milliseconds, run) = await ground.RunBerthAsync(cancel, mode, task.Script, task.StandIn);
        var id = run.GetProperty("id").GetString()!;
        var started = Ground.AgentStarted(ground.Environment["BERTH_HOME"], id);
        return new WayTime(milliseconds, (started - began).TotalMilliseconds);
    }

    /// <summary>As a careful script would call Docker: no network but the model's socket, a folder to work
    /// in.</summary>
    private async Task<WayTime> ContainerAsync(BenchTask task, CancellationToken cancel)
    {
        var work = Directory.CreateDirectory(
            Path.Combine(ground.Folder, "container", $"{Interlocked.Increment(ref number)}")).FullName;
        var program = task.StandIn ?? ground.Claude;
        List<string> words =
        [
            "run", "--rm", "--network", "none",
            "--volume", $"{ground.SocketFolder}:/run/model",
            "--volume", $"{Path.GetDirectoryName(program)}:/opt/claude:ro",
            "--volume", $"{work}:/workspace", "--workdir", "/workspace",
            "--env", "HOME=/tmp", "--env", "ANTHROPIC_UNIX_SOCKET=/run/model/model.sock",
            "--env", "ANTHROPIC_BASE_URL=http://model", "--env", "ANTHROPIC_AUTH_TOKEN=placeholder",
            "--env", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
            ground.Image!, $"/opt/claude/{Path.GetFileName(program)}",
            .. task.StandIn is null ? Ground.Words(task.Script) : [],
        ];
        var client = ground.Environment;
        client["PATH"] = "/usr/local/bin:/usr/bin:/bin";
        var (milliseconds, _) = await Ground.TimeAsync("/usr/bin/env", ["docker", .. words], client, work, cancel);
        return new WayTime(milliseconds, UntilStarted: null);
    }
}

/// <summary>What is run.</summary>
/// <param name="Name">For the tables.</param>
/// <param name="Script">What the model plays.</param>
/// <param name="StandIn">A program in the place of the CLI, or null.</param>
internal sealed record BenchTask(string Name, string Script, string? StandIn = null);

/// <summary>How long one run took.</summary>
/// <param name="Whole">From the command's start to its end, in milliseconds.</param>
/// <param name="UntilStarted">Until the CLI was started, where it is known.</param>
internal sealed record WayTime(double Whole, double? UntilStarted);
