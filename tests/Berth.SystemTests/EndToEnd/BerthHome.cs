using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Engine.Processes;
using Berth.Protocol.Posix;
using Berth.ScriptedModel;

namespace Berth.SystemTests.EndToEnd;

/// <summary>
/// A user's machine in small: a home of Berth's, a repository, the scripted model, and the real program to type at.
/// </summary>
internal sealed class BerthHome : IAsyncDisposable
{
    /// <summary>The longest that any command of these tests may take, on a machine that has much else to do.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    private readonly string folder = Directory.CreateTempSubdirectory("berth-e2e-").FullName;
    private readonly Dictionary<string, string> environment;
    private IReadOnlyList<string> prefix = [];

    private BerthHome(ScriptedModelServer model)
    {
        Model = model;
        environment = new(StringComparer.Ordinal)
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH")!,
            ["HOME"] = Path.Combine(folder, "user"),
            ["BERTH_HOME"] = Home,

            // Most tests are about what both modes share, and not each machine has a Docker.
            ["CLAUDE_CODE_MODE"] = "local",
            ["ANTHROPIC_BASE_URL"] = model.Uri!.AbsoluteUri,
            ["ANTHROPIC_API_KEY"] = DummyKey,
            ["LANG"] = "C.UTF-8",
        };
        Directory.CreateDirectory(Path.Combine(folder, "user"));
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { } root)
        {
            environment["DOTNET_ROOT"] = root;
        }
    }

    /// <summary>The key that no transcript and no process of the agent's may ever show.</summary>
    public const string DummyKey = "sk-dummy-key-for-tests-0123456789";

    /// <summary>The program that is typed at. Default: the one of the tests' folder, whose coverage is
    /// measured.</summary>
    public string Program { get; init; } = SystemTestEnvironment.Berth;

    public ScriptedModelServer Model { get; }

    /// <summary>The folder of the repository that the user is in.</summary>
    public string Stands { get; set; } = string.Empty;

    public string Home => Path.Combine(folder, "home");

    public string Repository => Path.Combine(folder, "repository");

    /// <summary>A folder for whatever else a test needs.</summary>
    public string Folder => folder;

    /// <summary>Sets up a home and a repository with one commit.</summary>
    public static async Task<BerthHome> CreateAsync(CancellationToken cancel, string? program = null)
    {
        var model = await ScriptedModelServer.StartAsync(new ScriptedModelOptions { KeepBodies = true }, cancel);
        var home = new BerthHome(model) { Program = program ?? SystemTestEnvironment.Berth };
        Directory.CreateDirectory(home.Repository);
        await home.GitAsync(cancel, "init", "-q", "-b", "main");
        await File.WriteAllTextAsync(Path.Combine(home.Repository, "README.md"), "# A sample\n", cancel);
        await home.CommitAsync("First", cancel);
        return home;
    }

    /// <summary>A prompt that makes the scripted model play a script.</summary>
    public static string Prompt(string script, string words = "Please do it.") =>
        $"{words}\n```script\n{script}\n```\n";

    /// <summary>Sets a variable for the commands that follow; null takes it away.</summary>
    public void Set(string name, string? value)
    {
        if (value is null)
        {
            environment.Remove(name);
        }
        else
        {
            environment[name] = value;
        }
    }

    /// <summary>Gives all of this to another user, who types from now on.</summary>
    public void GiveTo(ChildUser user)
    {
        Ownership.Give(folder, user);
        prefix =
        [
            "/usr/bin/setpriv",
            string.Create(CultureInfo.InvariantCulture, $"--reuid={user.Id}"),
            string.Create(CultureInfo.InvariantCulture, $"--regid={user.Group}"),
            "--clear-groups",
        ];
    }

    /// <summary>Has all that is typed from now on begin with a umask.</summary>
    public void TypeUnder(string umask) =>
        prefix = ["/bin/sh", "-c", "umask \"$0\"; exec \"$@\"", umask];

    /// <summary>Types a command and waits for its end.</summary>
    public async Task<CommandResult> BerthAsync(CancellationToken cancel, params IReadOnlyList<string> arguments)
    {
        using var running = Start(null, arguments);
        return await running.EndAsync(cancel);
    }

    /// <summary>Types a command with something on its standard input.</summary>
    public async Task<CommandResult> PipeAsync(
        string input,
        CancellationToken cancel,
        params IReadOnlyList<string> arguments)
    {
        using var running = Start(input, arguments);
        return await running.EndAsync(cancel);
    }

    /// <summary>Starts a command and leaves it running.</summary>
    public RunningCommand Start(string? input, params IReadOnlyList<string> arguments) =>
        StartProgram(Program, input, arguments);

    /// <summary>Starts another program, as the user who types.</summary>
    public RunningCommand StartProgram(string program, string? input, params IReadOnlyList<string> arguments)
    {
        var stdin = input is null ? ChildStdio.Null : ChildStdio.Pipe;
        return new RunningCommand(StartProcess([program, .. arguments], stdin), input);
    }

    /// <summary>Starts a command whose output somebody else reads.</summary>
    public ChildProcess StartBerth(IReadOnlyList<string> arguments) =>
        StartProcess([Program, .. arguments], ChildStdio.Null);

    private ChildProcess StartProcess(IReadOnlyList<string> command, ChildStdio input)
    {
        IReadOnlyList<string> words = [.. prefix, .. command];
        return ChildProcess.Start(new ChildProcessStart
        {
            FileName = words[0],
            Arguments = [.. words.Skip(1)],
            Environment = environment,
            WorkingDirectory = Path.Combine(Repository, Stands),
            Input = input,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.Pipe,
        });
    }

    /// <summary>Runs a workflow with a script to its end, and reads the object that it prints.</summary>
    public async Task<(CommandResult Command, JsonElement Run)> RunAsync(
        string script, CancellationToken cancel, params IReadOnlyList<string> options)
    {
        var command = await BerthAsync(cancel, ["run", "implement", Prompt(script), "--json", .. options]);
        return (command, command.Json);
    }

    /// <summary>Runs git as the user, in the repository.</summary>
    public Task<string> GitAsync(CancellationToken cancel, params IReadOnlyList<string> arguments) =>
        GitInAsync(Repository, cancel, arguments);

    /// <summary>Runs git as the user, in a folder.</summary>
    public static async Task<string> GitInAsync(
        string repository,
        CancellationToken cancel,
        params IReadOnlyList<string> arguments)
    {
        using var process = ChildProcess.Start(new ChildProcessStart
        {
            FileName = "/usr/bin/git",
            Arguments = [
                "-c",
                "user.name=Tester",
                "-c",
                "user.email=tester@example.invalid",
                "-c",
                "safe.directory=*",
                .. arguments
            ],
            Environment = new Dictionary<string, string>(
                StringComparer.Ordinal)
                {
                    ["PATH"] = "/usr/bin:/bin",
                    ["HOME"] = "/nonexistent",
                    ["LC_ALL"] = "C.UTF-8"
                },
            WorkingDirectory = repository,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.Pipe,
        });
        using var running = new RunningCommand(process, null);
        var result = await running.EndAsync(cancel);
        return result.ExitCode == 0
            ? result.Output
            : throw new InvalidOperationException($"git {string.Join(' ', arguments)}: {result.Error}");
    }

    /// <summary>Commits all that is in the repository.</summary>
    public async Task CommitAsync(string message, CancellationToken cancel)
    {
        await GitAsync(cancel, "add", "-A");
        await GitAsync(cancel, "commit", "-q", "--allow-empty", "-m", message);
    }

    /// <summary>Waits until no run of this home has a host any more, stops the model, and removes everything.</summary>
    public async ValueTask DisposeAsync()
    {
        var runs = Path.Combine(Home, "runs");
        if (Directory.Exists(runs))
        {
            foreach (var run in Directory.EnumerateDirectories(runs))
            {
                await Eventually.TrueAsync(
                    () => !LockFile.IsHeld(Path.Combine(run, "host.lock")),
                    $"the host of {run} ends",
                    Patience);
            }
        }

        await Model.DisposeAsync();

        // A host that was just started by a command of the test may still write its log for a moment.
        await Eventually.TrueAsync(
            () =>
            {
                try
                {
                    Directory.Delete(folder, recursive: true);
                    return true;
                }
                catch (IOException)
                {
                    return false;
                }
            },
            $"{folder} is removed");
    }
}

/// <summary>What tests read in the model's requests.</summary>
internal static class ModelRequestText
{
    /// <summary>The body as text.</summary>
    public static string Text(this ModelRequest request) => Encoding.UTF8.GetString(request.Body.Span);
}

/// <summary>What came of a command.</summary>
internal sealed record CommandResult(int? ExitCode, string Output, string Error)
{
    /// <summary>The one object on standard output.</summary>
    public JsonElement Json
    {
        get
        {
            try
            {
                return JsonDocument.Parse(Output).RootElement.Clone();
            }
            catch (JsonException notJson)
            {
                throw new InvalidOperationException($"exit {ExitCode}; stdout: {Output}; stderr: {Error}", notJson);
            }
        }
    }
}

/// <summary>A command that is running.</summary>
internal sealed class RunningCommand : IDisposable
{
    private readonly ChildProcess process;
    private readonly Task<string> output;
    private readonly Task<string> error;
    private readonly Task input;

    public RunningCommand(ChildProcess process, string? input)
    {
        this.process = process;
        output = ReadAsync(process.Output!);
        error = ReadAsync(process.Error!);
        this.input = input is null ? Task.CompletedTask : WriteAsync(process.Input!, input);
    }

    public int Id => process.Id;

    public void Signal(int signal) => process.Signal(signal);

    public async Task<CommandResult> EndAsync(CancellationToken cancel)
    {
        try
        {
            var exit = await process.Exit.WaitAsync(BerthHome.Patience, cancel);
            await input.WaitAsync(BerthHome.Patience, cancel);
            return new CommandResult(
                exit.Code ?? 128 + exit.Signal, await output.WaitAsync(BerthHome.Patience, cancel),
                await error.WaitAsync(BerthHome.Patience, cancel));
        }
        catch (TimeoutException)
        {
            process.SignalGroup(9);
            throw;
        }
    }

    public void Dispose() => process.Dispose();

    private static async Task<string> ReadAsync(Microsoft.Win32.SafeHandles.SafeFileHandle handle)
    {
        await using var stream = new FileStream(handle, FileAccess.Read, bufferSize: 1);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync();
    }

    private static async Task WriteAsync(Microsoft.Win32.SafeHandles.SafeFileHandle handle, string text)
    {
        await using var stream = new FileStream(handle, FileAccess.Write, bufferSize: 1);
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(text));
        }
        catch (IOException)
        {
            // The command may refuse before it has read everything; what it then says is what the test looks at.
        }
    }
}
