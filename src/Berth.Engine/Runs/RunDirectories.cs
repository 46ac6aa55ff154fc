using System.Text;
using System.Text.Json;
using Berth.Engine.Executors.Docker;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Runs;

/// <summary>The run directories of a home.</summary>
/// <param name="runsFolder">Where every run is found: <c>$BERTH_HOME/runs</c>.</param>
/// <param name="elsewhere">
/// Where new ones really go, or null for there; then each is a symbolic link in <paramref name="runsFolder"/>.
/// </param>
internal sealed class RunDirectories(string runsFolder, string? elsewhere)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The folder in which every run is found.</summary>
    public string Folder => runsFolder;

    /// <summary>The slots that wait to become run directories.</summary>
    public WarmSlots Slots { get; } = new(elsewhere ?? runsFolder);

    /// <summary>The names of all run directories.</summary>
    public IEnumerable<string> Ids() => Directory.Exists(runsFolder)
        ? Directory.EnumerateDirectories(runsFolder).Select(folder => Path.GetFileName(folder))
            .Where(name => !name.StartsWith('.'))
        : [];

    /// <summary>A run's directory; it may be gone.</summary>
    public RunDirectory Of(string runId) => new(Path.Combine(runsFolder, runId));

    /// <summary>The file that the host of a run keeps locked while it lives.</summary>
    public string HostLock(string runId) => Path.Combine(Of(runId).Root, RunDirectory.HostLockName);

    /// <summary>What the host of a run has to say when it breaks.</summary>
    public string HostLog(string runId) => Path.Combine(Of(runId).Root, "host.log");

    /// <summary>Makes a run's directory with all that the agent is given to read, for nobody but this user.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="files">What the agent is given.</param>
    /// <param name="warmKey">The key of a slot that may become the directory, or null.</param>
    public RunDirectory Create(string runId, AgentFiles files, string? warmKey = null)
    {
        Directory.CreateDirectory(runsFolder, Private);
        var directory = Of(runId);
        var real = Path.Combine(elsewhere ?? runsFolder, runId);
        if (elsewhere is not null)
        {
            // The link first: a slot that became a directory which nobody finds would keep its container for good.
            Directory.CreateDirectory(elsewhere, Private);
            Directory.CreateSymbolicLink(directory.Root, real);
        }

        if (warmKey is null || !Slots.TryTake(warmKey, real))
        {
            Directory.CreateDirectory(real, Private);
        }

        foreach (var folder in new[]
        {
            directory.Home,
            directory.GatewayFolder,
            directory.AgentFolder,
            directory.CaptureFolder,
            directory.ArtifactsInside
        })
        {
            Directory.CreateDirectory(folder, Private);
        }

        if (files.Conversation is { } conversation)
        {
            File.Copy(conversation, Path.Combine(directory.AgentFolder, AgentFiles.ConversationName), overwrite: true);
        }

        AtomicFile.WriteTogether(ContentOf(directory, files));
        return directory;
    }

    /// <summary>What must not be shown of a run, for its host; null where that is forgotten, or was never
    /// known.</summary>
    public IReadOnlyList<string>? SecretsOf(string runId)
    {
        var file = HostSecretsFile(Of(runId));
        if (!File.Exists(file))
        {
            // As of each run that has ended; lists ask for hundreds.
            return null;
        }

        try
        {
            var bytes = File.ReadAllBytes(file);
            return JsonSerializer.Deserialize(bytes, ProtocolJson.Default.RunSecrets)?.Redact;
        }
        catch (Exception gone) when (gone is IOException or JsonException)
        {
            return null;
        }
    }

    /// <summary>The file of that, where it is still there.</summary>
    public IEnumerable<string> KeptSecrets(string runId) =>
        File.Exists(HostSecretsFile(Of(runId))) ? [HostSecretsFile(Of(runId))] : [];

    /// <summary>Forgets that: nothing more is made of what the run said.</summary>
    public void ForgetSecrets(string runId)
    {
        if (Directory.Exists(Of(runId).Root))
        {
            File.Delete(HostSecretsFile(Of(runId)));
        }
    }

    // The supervisor has a file of its own, which it takes away before the agent starts.
    private static string HostSecretsFile(RunDirectory directory) => Path.Combine(directory.Root, "host-secrets.json");

    /// <summary>Takes back a directory whose run could not be created.</summary>
    public void Remove(string runId)
    {
        var root = Of(runId).Root;
        if (new DirectoryInfo(root).LinkTarget is { } real)
        {
            File.Delete(root);
            root = real;
        }

        if (Directory.Exists(root))
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static Dictionary<string, byte[]> ContentOf(RunDirectory directory, AgentFiles files)
    {
        var content = new Dictionary<string, byte[]>(StringComparer.Ordinal) { [directory.InputFile] = files.Input };
        Add(AgentFiles.SystemPromptName, files.SystemPrompt);
        Add(AgentFiles.McpConfigName, files.McpConfig);
        if (files.Secrets.Environment.Count > 0 || files.Secrets.Redact.Count > 0)
        {
            content[directory.SecretsFile] =
                JsonSerializer.SerializeToUtf8Bytes(files.Secrets, ProtocolJson.Default.RunSecrets);
        }

        content[HostSecretsFile(directory)] = JsonSerializer.SerializeToUtf8Bytes(
            new RunSecrets { Redact = files.Secrets.Redact }, ProtocolJson.Default.RunSecrets);
        return content;

        void Add(string name, string? text)
        {
            if (text is not null)
            {
                content[Path.Combine(directory.AgentFolder, name)] = Encoding.UTF8.GetBytes(text);
            }
        }
    }
}

/// <summary>What is put into a new run directory.</summary>
/// <param name="Input">The lines for the agent's standard input.</param>
/// <param name="SystemPrompt">The workflow's prompt, or null.</param>
/// <param name="McpConfig">The workflow's MCP servers, or null.</param>
/// <param name="Secrets">Secret variables and what else to redact.</param>
internal sealed record AgentFiles(byte[] Input, string? SystemPrompt, string? McpConfig, RunSecrets Secrets)
{
    /// <summary>The conversation that the agent goes on with: a file to copy, or null.</summary>
    public string? Conversation { get; init; }

    /// <summary>The file of that conversation, in the agent folder.</summary>
    public const string ConversationName = "conversation.jsonl";

    /// <summary>The file of the workflow's prompt, in the agent folder.</summary>
    public const string SystemPromptName = "system-prompt.md";

    /// <summary>The file of the MCP servers, in the agent folder.</summary>
    public const string McpConfigName = "mcp.json";

    /// <summary>The file of the CLI's settings, in the agent folder.</summary>
    public const string SettingsName = "settings.json";
}
