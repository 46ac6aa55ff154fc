using System.Diagnostics;
using System.Text.Json;
using Berth.Protocol.Posix;
using Berth.ScriptedModel;

namespace Berth.Bench;

/// <summary>What all measurements stand on: the scripted model, a small repository, a home of Berth's.</summary>
internal sealed class Ground : IAsyncDisposable
{
    /// <summary>One turn with one tool call, one turn with words: the least that a real run does.</summary>
    public const string Script = "```script\nbash echo hello > hello.txt\n---\ntext Done.\n```";

    /// <summary>The folder of the model's Unix socket, for what has no network.</summary>
    public string SocketFolder => Path.Combine(Folder, "socket");

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);
    private readonly ScriptedModelServer model;

    private Ground(string berth, string claude, string folder, ScriptedModelServer model)
    {
        Berth = berth;
        Claude = claude;
        Folder = folder;
        this.model = model;
    }

    public string Berth { get; }

    public string Claude { get; }

    public string Folder { get; }

    public string Repository => Path.Combine(Folder, "repository");

    public static async Task<Ground> PrepareAsync(
        string berth, string claude, string? image, CancellationToken cancel)
    {
        var folder = Directory.CreateTempSubdirectory("berth-bench-").FullName;
        var socket = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "socket")).FullName, "model.sock");
        var server = await ScriptedModelServer.StartAsync(new ScriptedModelOptions { UnixSocket = socket }, cancel);
        var ground = new Ground(berth, claude, folder, server) { Image = image };
        Directory.CreateDirectory(ground.Repository);
        await File.WriteAllTextAsync(Path.Combine(ground.Repository, "README.md"), "# A sample\n", cancel);
        await ground.GitAsync(ground.Repository, cancel, "init", "-q", "-b", "main");
        await ground.GitAsync(ground.Repository, cancel, "add", "-A");
        await ground.GitAsync(ground.Repository, cancel, "commit", "-q", "-m", "First");
        return ground;
    }

    /// <summary>A variable set of a user: nothing of the caller's but the path.</summary>
    public Dictionary<string, string> Environment => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["PATH"] = System.Environment.GetEnvironmentVariable("PATH")!,
        ["HOME"] = Folder,
        ["LANG"] = "C.UTF-8",
        ["BERTH_HOME"] = Path.Combine(Folder, "home"),
        ["BERTH_CLAUDE"] = Claude,
        ["ANTHROPIC_BASE_URL"] = model.Uri!.AbsoluteUri,
        ["ANTHROPIC_API_KEY"] = "sk-dummy-key-of-the-bench",
        ["DOCKER_HOST"] = System.Environment.GetEnvironmentVariable("DOCKER_HOST") ?? string.Empty,
        ["BERTH_IMAGE"] = Image ?? string.Empty,
    }
    .Where(pair => pair.Value.Length > 0)
    .ToDictionary(StringComparer.Ordinal);

    /// <summary>The image of Docker mode, or null for Berth's own.</summary>
    public string? Image { get; init; }

    /// <summary>
    /// The CLI alone, as a careful script would call it: same prompt, same flags, its own configuration folder.
    /// </summary>
    public async Task<double> RunBareAsync(string name, CancellationToken cancel, string script = Script)
    {
        var home = Directory.CreateDirectory(Path.Combine(Folder, "bare", name)).FullName;
        var work = Directory.CreateDirectory(Path.Combine(home, "work")).FullName;
        var environment = Environment;
        environment["CLAUDE_CONFIG_DIR"] = home;
        environment["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1";
        var (milliseconds, _) = await TimeAsync(Claude, Words(script), environment, work, cancel);
        return milliseconds;
    }

    /// <summary>How a careful script calls the CLI.</summary>
    public static IReadOnlyList<string> Words(string script) =>
    [
        "-p", "--output-format", "stream-json", "--verbose", "--setting-sources", "", "--strict-mcp-config",
        "--permission-mode", "dontAsk", "--allowedTools", "Bash", "--", script,
    ];

    /// <summary>A whole <c>berth run</c>, from the command's start to its end.</summary>
    public async Task<(double Milliseconds, JsonElement Run)> RunBerthAsync(
        CancellationToken cancel, string mode = "local", string script = Script, string? claude = null)
    {
        var environment = Environment;
        environment["BERTH_CLAUDE"] = claude ?? Claude;
        var (milliseconds, output) = await TimeAsync(
            Berth, ["run", "implement", script, "--mode", mode, "--json"], environment, Repository, cancel);
        return (milliseconds, JsonDocument.Parse(output).RootElement.Clone());
    }

    /// <summary>When the agent of a run was started, by the run's journal.</summary>
    public static DateTimeOffset AgentStarted(string home, string id)
    {
        var line = File.ReadLines(Path.Combine(home, "runs", id, "events.ndjson"))
            .First(entry => entry.Contains("\"agent_started\"", StringComparison.Ordinal));
        return JsonDocument.Parse(line).RootElement.GetProperty("at").GetDateTimeOffset();
    }

    /// <summary>Runs git and takes its time.</summary>
    public async Task<double> GitAsync(
        string folder,
        CancellationToken cancel,
        params IReadOnlyList<string> arguments) => (await TimeAsync(
        "/usr/bin/git",
        ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", "-c", "gc.auto=0", .. arguments],
        Environment, folder, cancel)).Milliseconds;

    public async ValueTask DisposeAsync()
    {
        await model.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>Runs a program to its end and takes its time.</summary>
    public static async Task<(double Milliseconds, string Output)> TimeAsync(
        string program, IReadOnlyList<string> arguments, Dictionary<string, string> environment, string folder,
        CancellationToken cancel)
    {
        var error = Path.Combine(Path.GetTempPath(), $"berth-bench-{Guid.NewGuid():N}.err");
        var started = Stopwatch.GetTimestamp();
        using var process = ChildProcess.Start(new ChildProcessStart
        {
            FileName = program,
            Arguments = arguments,
            Environment = environment,
            WorkingDirectory = folder,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.File(error),
        });
        await using var stream = new FileStream(process.Output!, FileAccess.Read, bufferSize: 1);
        using var reader = new StreamReader(stream);
        var output = await reader.ReadToEndAsync(cancel).WaitAsync(Patience, cancel);
        var exit = await process.Exit.WaitAsync(Patience, cancel);
        var took = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        var said = await File.ReadAllTextAsync(error, cancel);
        File.Delete(error);
        return exit.Code == 0
            ? (took, output)
            : throw new InvalidOperationException($"{program}: exit {exit.Code}\n{output}\n{said}");
    }
}
