using System.Globalization;
using System.IO.Hashing;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>One run under a real supervisor, started from the folder of the tests.</summary>
internal sealed class SupervisedFixture : IDisposable
{
    internal static readonly TimeSpan Bound = TimeSpan.FromMinutes(3);
    private ChildProcess? supervisor;

    internal SupervisedFixture(string? root = null)
    {
        Directory = new RunDirectory(root ?? System.IO.Directory.CreateTempSubdirectory("berth-run-").FullName);
        System.IO.Directory.CreateDirectory(Directory.Workspace);
        System.IO.Directory.CreateDirectory(Directory.Home);
    }

    internal static string FakeClaude { get; } = Path.Combine(AppContext.BaseDirectory, "berth-fake-claude");

    internal RunDirectory Directory { get; }

    internal ChildProcess Supervisor => supervisor!;

    internal ExecutionLimits Limits { get; set; } = new() { ResultGrace = TimeSpan.FromSeconds(1),
        DrainGrace = TimeSpan.FromSeconds(1) };

    internal StopPlan Stop { get; set; } = new()
    {
        InterruptGrace = TimeSpan.FromMilliseconds(400), TermGrace = TimeSpan.FromMilliseconds(400),
        TermAllGrace = TimeSpan.FromMilliseconds(400), KillGrace = TimeSpan.FromSeconds(5),
    };

    internal CaptureStep? Capture { get; set; }

    internal RunSecrets? Secrets { get; set; }

    /// <summary>The user of the agent; null for our own.</summary>
    internal ChildUser? User { get; set; }

    /// <summary>Who owns the run directory, for a supervisor that is started as in a container.</summary>
    internal ChildUser? Owner { get; set; }

    /// <summary>The words in front of the agent's; set by <see cref="InBubblewrap"/>.</summary>
    internal IReadOnlyList<string> Prefix { get; set; } = [];

    internal int Wrappers => Prefix.Count == 0 ? 0 : 2;

    public void Dispose()
    {
        if (supervisor is { Exit.IsCompleted: false })
        {
            foreach (var process in ProcessTree.DescendantsOf(supervisor.Id))
            {
                _ = process.Signal(9);
            }

            _ = supervisor.Signal(9);
            _ = supervisor.Exit.Wait(Bound);
        }

        supervisor?.Dispose();
        System.IO.Directory.Delete(Directory.Root, recursive: true);
    }

    /// <summary>Puts the agent into a sandbox with its own processes; it sees the programs of the machine read-only
    /// and the run's folder writable.</summary>
    /// <remarks>Not all of the machine: other tests mount and unmount things on it at the same time, and bubblewrap
    /// fails where a mount goes away while it takes it over. What is seen comes after its own /tmp, for the clone may
    /// be there.</remarks>
    internal SupervisedFixture InBubblewrap()
    {
        string[] seen =
            ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", SystemTestEnvironment.DotnetRoot,
                SystemTestEnvironment.OutputFolder];
        Prefix =
        [
            "/usr/bin/bwrap", "--unshare-user", "--uid", "1000", "--gid", "1000", "--unshare-pid", "--unshare-ipc",
                "--unshare-net",
            "--die-with-parent", "--new-session", "--tmpfs", "/tmp",
            .. seen.SelectMany(path => new[] { "--ro-bind-try", path, path }), "--proc", "/proc", "--dev", "/dev",
            "--bind", Directory.Root, Directory.Root, "--chdir", Directory.Workspace, "--",
        ];
        return this;
    }

    /// <summary>Makes the run directory good for another run.</summary>
    internal void Forget()
    {
        File.Delete(Directory.ExitFile);
        File.Delete(Directory.HandleFile);
    }

    /// <summary>Starts the fake CLI with a prompt.</summary>
    internal void StartFake(string prompt, params string[] beforeInput)
    {
        var message = JsonSerializer.Serialize(new { type = "user",
            message = new { role = "user", content = prompt } });
        File.WriteAllText(Directory.InputFile, message + "\n");
        Start([FakeClaude, .. beforeInput.SelectMany(verb => new[] { "--fake", verb })]);
    }

    internal void Start(params string[] argv)
    {
        var spec = new SupervisorSpec
        {
            RunId = "testrun",
            Facts = new Dictionary<string, string>(StringComparer.Ordinal) { ["mode"] = "local" },
            Agent = new AgentStep
            {
                Argv = [.. Prefix, .. argv], Wrappers = Wrappers, WorkingDirectory = Directory.Workspace,
                    Environment = AgentEnvironment(),
            },
            User = User,
            Capture = Capture,
            Limits = Limits,
            Stop = Stop,
        };
        File.WriteAllBytes(Directory.SpecFile,
            JsonSerializer.SerializeToUtf8Bytes(spec, ProtocolJson.Default.SupervisorSpec));
        if (Secrets is not null)
        {
            File.WriteAllBytes(Directory.SecretsFile,
                JsonSerializer.SerializeToUtf8Bytes(Secrets, ProtocolJson.Default.RunSecrets));
        }

        supervisor = StartSupervisor();
    }

    internal ChildProcess StartSupervisor() => ChildProcess.Start(new ChildProcessStart
    {
        FileName = Path.Combine(AppContext.BaseDirectory, "berth-supervisor"),
        Arguments = Owner is { } owner
            ? [Directory.Root, $"{owner.Id}", $"{owner.Group}"]
            : [Directory.Root],
        Environment = AgentEnvironment(),
        Error = Owner is null ? ChildStdio.File(Directory.SupervisorLog) : ChildStdio.Null,
    });

    internal Dictionary<string, string> AgentEnvironment() => new(StringComparer.Ordinal)
    {
        ["PATH"] = "/usr/bin:/bin",
        ["HOME"] = Directory.Home,
        ["DOTNET_ROOT"] = Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? "",
        ["DOTNET_EnableDiagnostics"] = "0",
    };

    /// <summary>Waits for the supervisor's end and gives what it wrote.</summary>
    internal async Task<ExitRecord> EndAsync()
    {
        var exit = await Supervisor.Exit.WaitAsync(Bound, Token);
        Assert.True(exit.Code == 0, $"The supervisor ended with {exit}: {SupervisorSays()}");
        var record = JsonSerializer.Deserialize(await File.ReadAllBytesAsync(Directory.ExitFile, Token),
            ProtocolJson.Default.ExitRecord)!;
        var journal = await File.ReadAllBytesAsync(Directory.JournalFile, Token);
        Assert.Equal((record.JournalBytes, record.JournalCrc), (journal.LongLength, Crc32.HashToUInt32(journal)));
        Assert.False(File.Exists(Path.Combine(Directory.Root, RunDirectory.ControlSocketName)));
        return record;
    }

    internal string SupervisorSays() =>
        File.Exists(Directory.SupervisorLog) ? File.ReadAllText(Directory.SupervisorLog) : "";

    /// <summary>The entries so far.</summary>
    internal IReadOnlyList<JournalEntry> Entries()
    {
        if (!File.Exists(Directory.JournalFile))
        {
            return [];
        }

        var text = Encoding.UTF8.GetString(ReadShared(Directory.JournalFile));
        return
        [
            .. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonSerializer.Deserialize(line, ProtocolJson.Default.JournalEntry)!),
        ];
    }

    internal bool Has(string type) => Entries().Any(entry => IsType(entry, type));

    internal IReadOnlyList<string> Stages() =>
        [.. Entries().Where(entry => IsType(entry, BerthEvents.Stopping)).Select(entry =>
            entry.Data.GetProperty("stage").GetString()!)];

    internal static bool IsType(JournalEntry entry, string type) =>
        entry.Data.ValueKind == JsonValueKind.Object && entry.Data.TryGetProperty("type", out var value)
            && value.ValueEquals(type);

    internal Task WaitForAsync(string type) => Eventually.TrueAsync(() => Has(type), $"the event {type}", Bound);

    /// <summary>Sends one request and gives the reply.</summary>
    internal async Task<ControlReply> AskAsync(ControlRequest request)
    {
        await Eventually.TrueAsync(
            () => File.Exists(Path.Combine(Directory.Root, RunDirectory.ControlSocketName)), "the control socket",
                Bound);
        using var folder = new SocketFolder(Directory.Root);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(folder.EndPoint(RunDirectory.ControlSocketName), Token).AsTask().WaitAsync(Bound,
            Token);
        await socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(request, ProtocolJson.Default.ControlRequest),
            Token);
        await socket.SendAsync("\n"u8.ToArray(), Token);
        using var reader = new StreamReader(new NetworkStream(socket));
        var line = await reader.ReadLineAsync(Token).AsTask().WaitAsync(Bound, Token)
            ?? throw new IOException("The supervisor ended before it answered.");
        return JsonSerializer.Deserialize(line, ProtocolJson.Default.ControlReply)!;
    }

    internal Task<ControlReply> CancelAsync(bool force = false) =>
        AskAsync(new ControlRequest { Verb = ControlVerb.Cancel, Force = force });

    /// <summary>Asks for a stop; null where the supervisor ended before it answered.</summary>
    internal async Task<ControlReply?> TryCancelAsync()
    {
        try
        {
            return File.Exists(Path.Combine(Directory.Root, RunDirectory.ControlSocketName))
                ? await CancelAsync() : null;
        }
        catch (Exception gone) when (gone is IOException or SocketException)
        {
            return null;
        }
    }

    /// <summary>Waits until no process with this word in its command line lives: what was killed is seen for a
    /// moment more.</summary>
    internal static Task NoProcessAsync(string word) => Eventually.TrueAsync(
        () => !System.IO.Directory.EnumerateDirectories("/proc").Any(folder => HasWord(folder, word)),
        $"no process of '{word.Replace('\0', ' ')}' lives",
        Bound);

    private static bool HasWord(string folder, string word)
    {
        try
        {
            return int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out _)
                && File.ReadAllText(Path.Combine(folder, "cmdline")).Contains(word, StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static byte[] ReadShared(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
