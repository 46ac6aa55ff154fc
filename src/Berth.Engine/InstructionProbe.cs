using System.Globalization;
using System.Text;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Processes;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Proves that the CLI reads the instructions of a repository: it is asked something in a folder with a
/// CLAUDE.md, and what it would send to a model is looked at.</summary>
/// <remarks>
/// Its maker has announced that <c>-p</c> will leave them out by default (<c>--bare</c>), without a word to anyone. The
/// proof takes about a second and is remembered by the identity of the CLI's file, so each CLI is asked once.
/// </remarks>
internal sealed class InstructionProbe(BerthOptions options, TimeProvider time)
{
    private const string Name = "instructions";
    private const string Remembered = "claude-instructions";
    private const string Part = "part";

    // Another one where the way in which the CLI is called has changed.
    private const int Version = 1;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private string Memory => Path.Combine(options.Home, Remembered);

    /// <summary>Asks it, or remembers.</summary>
    /// <returns>What came of it; null where there is no CLI that could be asked, which other checks say.</returns>
    public async Task<ProbeCheck?> CheckAsync(CancellationToken cancel)
    {
        var claude = ClaudeBinary.Find(options.ClaudeBinary, options.ProgramFolder, options.Home);
        if (claude is null || ClaudeProgram.Inspect(claude) is not null)
        {
            return null;
        }

        var program = ClaudeProgram.Resolve(claude);
        var identity = IdentityOf(program);
        var known = File.Exists(Memory) ? await File.ReadAllTextAsync(Memory, cancel) : null;
        if (string.Equals(known, identity, StringComparison.Ordinal))
        {
            return new ProbeCheck(Name, Ok: true, "the CLI reads CLAUDE.md");
        }

        var check = await AskAsync(program, cancel);
        if (check.Ok)
        {
            AtomicFile.Write(Memory, Encoding.UTF8.GetBytes(identity));
        }

        return check;
    }

    private static string IdentityOf(string program)
    {
        var file = new FileInfo(program);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Version} {FileIdentity.Of(program)} {file.Length} {file.LastWriteTimeUtc.Ticks} {program}");
    }

    private async Task<ProbeCheck> AskAsync(string program, CancellationToken cancel)
    {
        var folder = Directory.CreateTempSubdirectory("berth-probe-").FullName;
        try
        {
            var (atTop, below) = (Mark(), Mark());
            var invocation = Write(folder, program, atTop, below);
            await using var model = new RefusingModel(invocation.GatewaySocket);
            var ended = await RunAsync(invocation, cancel);
            return model.Heard switch
            {
                { Length: > 0 } said when Has(said, atTop) && Has(said, below) =>
                    new ProbeCheck(Name, Ok: true, "the CLI reads CLAUDE.md"),
                { Length: > 0 } => new ProbeCheck(
                    Name,
                    Ok: false,
                    $"the CLI {program} does not read CLAUDE.md when it is called as Berth calls it",
                    "Use the version that Berth pins (npm ci in tools/claude), or name another one with BERTH_CLAUDE.")
                {
                    Code = "instructions_not_read",
                },
                _ => new ProbeCheck(
                    Name,
                    Ok: false,
                    $"whether the CLI {program} reads CLAUDE.md is not known: it made no call of the model"
                        + Quote(ended),
                    "Run 'berth doctor' again; a CLI of your own is named by BERTH_CLAUDE.")
                {
                    Required = false,
                    Code = "instructions_not_proved",
                },
            };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private Task<ProcessResult> RunAsync(ClaudeInvocation invocation, CancellationToken cancel)
    {
        var environment = new Dictionary<string, string>(
            ClaudeCommandLine.Environment(invocation), StringComparer.Ordinal)
        {
            ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
            ["LANG"] = "C.UTF-8",

            // A run's CLI waits for its next host. This one has none: without us it has to end by itself.
            ["CLAUDE_CODE_MAX_RETRIES"] = "0",
            ["API_TIMEOUT_MS"] = "10000",
        };
        return new ProcessRunner(time).RunAsync(
            new ProcessRequest
            {
                FileName = invocation.Claude,
                Arguments = [.. ClaudeCommandLine.Argv(invocation).Skip(1)],
                Environment = environment,
                WorkingDirectory = invocation.Workspace,
                Input = ClaudeCommandLine.InputLine("Say yes."),
                Timeout = Patience,
            },
            cancel);
    }

    private static ClaudeInvocation Write(string folder, string program, string atTop, string below)
    {
        string Made(string name) => Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
        var workspace = Made("workspace");
        var part = Made(Path.Combine("workspace", Part));
        var invocation = new ClaudeInvocation
        {
            Claude = program,
            Workspace = workspace,
            InstructionFolders = [part],
            Home = Made("home"),
            TempFolder = Made("tmp"),
            GatewaySocket = Path.Combine(folder, "m.sock"),
            SystemPromptFile = null,
            McpConfigFile = null,
            SettingsFile = Path.Combine(folder, "settings.json"),
            SessionId = Guid.NewGuid().ToString(),
            AllowedTools = ["Read"],
            Trust = Trust.Instructions,
        };
        File.WriteAllText(Path.Combine(workspace, "CLAUDE.md"), $"{atTop}\n");
        File.WriteAllText(Path.Combine(part, "CLAUDE.md"), $"{below}\n");
        File.WriteAllText(invocation.SettingsFile!, ClaudeCommandLine.Settings(invocation));
        return invocation;
    }

    private static string Mark() => $"berth-{Guid.NewGuid():N}";

    private static bool Has(byte[] said, string mark) => said.AsSpan().IndexOf(Encoding.ASCII.GetBytes(mark)) >= 0;

    private static string Quote(ProcessResult ended)
    {
        var said = ResultFailures.OneLine(ended.Error, 200);
        return ended.End == ProcessEnd.TimedOut
            ? string.Create(CultureInfo.InvariantCulture, $" within {Patience.TotalSeconds} s")
            : said.Length == 0 ? string.Empty : $" ({said})";
    }
}
