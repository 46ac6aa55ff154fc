using System.Globalization;
using System.Text;
using System.Text.Json;
using Berth.Engine.Claude;
using Berth.Protocol.Posix;
using Berth.ScriptedModel;

namespace Berth.SystemTests.Claude;

/// <summary>What the CLI said and how it ended.</summary>
internal sealed record Recording(IReadOnlyList<string> Stdout, IReadOnlyList<string> Stderr, ChildExit Exit);

/// <summary>Runs the real CLI against the scripted model, as the engine calls it but without a sandbox.</summary>
internal sealed class RealClaude(string claude, string folder)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly List<string> stdout = [];
    private ScriptedModelServer? model;
    private bool signalled;

    /// <summary>The CLI's native binary, or null where it is not installed.</summary>
    public static string? Find()
    {
        if (Environment.GetEnvironmentVariable("BERTH_CLAUDE") is { Length: > 0 } set)
        {
            return set;
        }

        const string Package = "tools/claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude";
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (Path.Combine(at.FullName, Package) is var file && File.Exists(file))
            {
                return file;
            }
        }

        return null;
    }

    /// <summary>Runs a case to its end.</summary>
    public async Task<Recording> RunAsync(CorpusCase corpusCase, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        var workspace = Directory.CreateDirectory(Path.Combine(folder, "workspace")).FullName;
        var home = Directory.CreateDirectory(Path.Combine(folder, "home")).FullName;
        var temp = Directory.CreateDirectory(Path.Combine(folder, "tmp")).FullName;
        var socket = Path.Combine(folder, "model.sock");
        await using var server = corpusCase.NoGateway
            ? null
            : await ScriptedModelServer.StartAsync(
                new()
                {
                    Port = null,
                    UnixSocket = socket,
                    Script = corpusCase.ModelScript is { } script ? ScriptParser.Parse(script) : null,
                },
                patience.Token);
        model = server;
        var invocation = new ClaudeInvocation
        {
            Claude = claude,
            Workspace = workspace,
            Home = home,
            TempFolder = temp,
            GatewaySocket = socket,
            SystemPromptFile = null,
            McpConfigFile = corpusCase.Mcp is { } mcp ? Write("mcp.json", mcp) : null,
            SettingsFile = Path.Combine(folder, "settings.json"),
            SessionId = "11111111-2222-4333-8444-555555555555",
            AllowedTools = corpusCase.Allowed,
            MaxTurns = corpusCase.MaxTurns,
            MaxBudgetUsd = corpusCase.MaxBudgetUsd,
        };
        Write("settings.json", ClaudeCommandLine.Settings(invocation));
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = claude,
            Arguments = [.. Arguments(corpusCase, invocation).Skip(1)],
            Environment = EnvironmentOf(corpusCase, invocation),
            WorkingDirectory = workspace,
            Input = ChildStdio.Pipe,
            Output = ChildStdio.Pipe,
            Error = ChildStdio.Pipe,
        });
        try
        {
            return await FollowAsync(child, corpusCase, patience.Token);
        }
        finally
        {
            child.SignalGroup(9);
        }
    }

    private string Write(string name, string text)
    {
        var file = Path.Combine(folder, name);
        File.WriteAllText(file, text);
        return file;
    }

    private static IEnumerable<string> Arguments(CorpusCase corpusCase, ClaudeInvocation invocation)
    {
        var argv = ClaudeCommandLine.Argv(invocation).ToList();
        if (corpusCase.Without is { } option)
        {
            argv.RemoveRange(argv.IndexOf(option), 2);
        }

        return [.. argv, .. corpusCase.Arguments];
    }

    private static Dictionary<string, string> EnvironmentOf(CorpusCase corpusCase, ClaudeInvocation invocation)
    {
        var environment = ClaudeCommandLine.Environment(invocation).ToDictionary(StringComparer.Ordinal);
        environment["PATH"] = "/usr/local/bin:/usr/bin:/bin";
        foreach (var (name, value) in corpusCase.Environment)
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

        return environment;
    }

    private async Task<Recording> FollowAsync(ChildProcess child, CorpusCase corpusCase, CancellationToken cancellation)
    {
        using var output = new StreamReader(new FileStream(child.Output!, FileAccess.Read, bufferSize: 1));
        using var error = new StreamReader(new FileStream(child.Error!, FileAccess.Read, bufferSize: 1));
        var stderr = Task.Run(() => error.ReadToEndAsync(cancellation), cancellation);
        await using (var input = new FileStream(child.Input!, FileAccess.Write, bufferSize: 0))
        {
            try
            {
                await input.WriteAsync(Input(corpusCase), cancellation);
                if (corpusCase.RawInput is null)
                {
                    await FollowAsync(output, child, input, corpusCase, cancellation);
                }
            }
            catch (IOException)
            {
                // It ended before it had read its prompt.
            }
        }

        await FollowAsync(output, child, null, corpusCase, cancellation);
        var exit = await child.Exit.WaitAsync(cancellation);
        return new Recording(stdout, (await stderr).Split('\n', StringSplitOptions.RemoveEmptyEntries), exit);
    }

    private static byte[] Input(CorpusCase corpusCase) => corpusCase.RawInput is { } raw
        ? Encoding.UTF8.GetBytes(raw)
        : ClaudeCommandLine.InputLine(corpusCase.Script is null
            ? corpusCase.Prompt
            : $"{corpusCase.Prompt}\n```script\n{corpusCase.Script}\n```");

    /// <summary>Reads events: to the first result where the input is open, for its end lets the CLI go; else to the
    /// end.</summary>
    private async Task FollowAsync(
        StreamReader output, ChildProcess child, FileStream? input, CorpusCase corpusCase, CancellationToken stop)
    {
        while (await output.ReadLineAsync(stop) is { } line)
        {
            stdout.Add(line);
            var type = JsonDocument.Parse(line).RootElement.Text("type");
            var isDue = !signalled && string.Equals(type, corpusCase.SignalAfter, StringComparison.Ordinal);
            if (corpusCase.Signal is { } signal && isDue)
            {
                signalled = true;
                await Eventually.TrueAsync(
                    () => IsUnderWay(child, corpusCase), "what is to be interrupted", Patience);
                await StopAsync(child, input, signal, stop);
            }

            if (type is "result" && input is not null)
            {
                return;
            }
        }
    }

    // What is to be interrupted has no event of its own: a request that waits, or a command that runs.
    private bool IsUnderWay(ChildProcess child, CorpusCase corpusCase) =>
        corpusCase.SignalAfter is "assistant"
            ? ProcessTree.DescendantsOf(child.Id).Any(process => IsCommand(process, CorpusCases.ToolCommand))
            : model!.IsPlaying;

    private static bool IsCommand(ProcessIdentity process, string command)
    {
        try
        {
            var words = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process.Pid}/cmdline"));
            return string.Equals(words.TrimEnd('\0').Replace('\0', ' '), command, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task StopAsync(
        ChildProcess child, FileStream? input, int signal, CancellationToken cancellation)
    {
        if (signal != 0)
        {
            child.Signal(signal);
            return;
        }

        var request = """{"type":"control_request","request_id":"stop","request":{"subtype":"interrupt"}}""" + "\n";
        await input!.WriteAsync(Encoding.UTF8.GetBytes(request), cancellation);
    }
}
