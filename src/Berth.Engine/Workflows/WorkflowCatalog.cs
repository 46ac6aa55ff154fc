using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Workflows;

/// <summary>The workflows that there are: one folder each, in the folders of the options.</summary>
/// <remarks>
/// Folders are read anew at each call, so that a workflow can be written and tried without a restart.
/// </remarks>
internal sealed class WorkflowCatalog(WorkflowOptions options)
{
    /// <summary>The system prompt; always there.</summary>
    public const string PromptFile = "prompt.md";

    /// <summary>What the agent may use; always there.</summary>
    public const string ToolsFile = "allowed_tools.json";

    /// <summary>The MCP servers.</summary>
    public const string McpFile = ".mcp.json";

    /// <summary>The agent's variables, which are secrets.</summary>
    public const string EnvironmentFile = ".env";

    /// <summary>The workflow's settings.</summary>
    public const string SettingsFile = "workflow.json";

    private static readonly HashSet<string> Files =
        new([PromptFile, ToolsFile, McpFile, EnvironmentFile, SettingsFile], StringComparer.Ordinal);

    /// <summary>The largest file of variables.</summary>
    public const int EnvironmentBytes = 64 * 1024;

    /// <summary>How many are listed: a folder with more entries than this is not one of workflows.</summary>
    public const int MostListed = 1000;

    private const int LongestName = 64;
    private const int PromptBytes = 256 * 1024;
    private const int ToolsBytes = 64 * 1024;
    private const int McpBytes = 256 * 1024;
    private const int SettingsBytes = 64 * 1024;

    // One that is replaced again and again while it is read is somebody's loop.
    private const int MostReadings = 10;

    /// <summary>Reads one workflow, all of it, before anything is created for a run.</summary>
    /// <exception cref="FailureException">
    /// <c>workflow_name_invalid</c>, <c>workflow_not_found</c>, or <c>workflow_invalid</c> with file, line, column and
    /// what was expected.
    /// </exception>
    public Workflow Load(string name)
    {
        RequireName(name);
        return ReadWhole(name);
    }

    /// <summary>One workflow as a list shows it.</summary>
    /// <exception cref="FailureException"><c>workflow_name_invalid</c>, <c>workflow_not_found</c>.</exception>
    public WorkflowListing Find(string name)
    {
        RequireName(name);
        return PlacesOf(name).Count > 0 ? Listing(name) : throw NotFound(name);
    }

    /// <summary>Checks files that are to be a workflow, as if they lay in its folder.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="files">The files by their names.</param>
    /// <exception cref="FailureException"><c>workflow_name_invalid</c>, <c>workflow_invalid</c>.</exception>
    public static Workflow Check(string name, IReadOnlyDictionary<string, byte[]> files)
    {
        RequireName(name);
        return Read(
            new Workflow
            {
                Name = name, Folder = string.Empty, Description = string.Empty, SystemPrompt = string.Empty,
                AllowedTools = [],
            },
            (file, maxBytes) => files.TryGetValue(file, out var bytes)
                ? WorkflowText.Of(file, bytes, maxBytes)
                : null);
    }

    /// <summary>All workflows by name, those that are not valid too.</summary>
    /// <exception cref="FailureException">
    /// <c>workflow_folder_unreadable</c>: a folder is there but cannot be read.
    /// </exception>
    public IReadOnlyList<WorkflowListing> List() => [.. Names().Select(Listing)];

    private WorkflowListing Listing(string name)
    {
        var places = PlacesOf(name);
        try
        {
            RequireName(name);
            var workflow = ReadWhole(name);
            return new WorkflowListing(name, workflow.Folder, workflow.Description, Problem: null, workflow.Shadows);
        }
        catch (FailureException wrong)
        {
            return new WorkflowListing(
                name, places.FirstOrDefault(string.Empty), Description: string.Empty, wrong.Failure,
                [.. places.Skip(1)]);
        }
    }

    // One that is replaced meanwhile is read again: else half of it would be of the one and half of the other. It is
    // held open, so that no other folder gets its number.
    private Workflow ReadWhole(string name)
    {
        for (var reading = 1; ; reading++)
        {
            var places = PlacesOf(name);
            var folder = places.Count > 0 ? places[0] : throw NotFound(name);
            using var held = Descriptor.TryOpen(folder);
            var identity = FileIdentity.Of(folder);
            try
            {
                RefuseExposed(folder);
                var workflow = Read(
                    new Workflow
                    {
                        Name = name, Folder = folder, Description = string.Empty, SystemPrompt = string.Empty,
                        AllowedTools = [], Shadows = [.. places.Skip(1)], HasOthers = OthersIn(folder).Any(),
                    },
                    (file, maxBytes) => WorkflowText.Read(Path.Combine(folder, file), maxBytes));
                if (reading == MostReadings || IsStill(folder, identity))
                {
                    return workflow;
                }
            }
            catch (FailureException) when (reading < MostReadings && !IsStill(folder, identity))
            {
                // Of its files some were gone already.
            }
        }
    }

    private void RefuseExposed(string folder)
    {
        if (string.Equals(Path.GetDirectoryName(folder), options.Guarded, StringComparison.Ordinal))
        {
            FileMask.RefuseWritableByOthers(folder, "the workflow");
            foreach (var file in Files)
            {
                FileMask.RefuseWritableByOthers(Path.Combine(folder, file), "the workflow");
            }
        }
    }

    private static bool IsStill(string folder, string? identity) =>
        string.Equals(FileIdentity.Of(folder), identity, StringComparison.Ordinal);

    /// <summary>What a folder holds that is no file of a workflow, such as the program of an MCP server.</summary>
    /// <exception cref="FailureException"><c>workflow_folder_unreadable</c>.</exception>
    public static IEnumerable<FileSystemInfo> OthersIn(string folder) =>
        Listed(folder).Where(entry => entry is DirectoryInfo || !Files.Contains(entry.Name));

    private static Workflow Read(Workflow empty, Func<string, int, WorkflowText?> open)
    {
        var folder = empty.Folder;
        var prompt = open(PromptFile, PromptBytes)
            ?? throw Missing(folder, PromptFile, "the system prompt, its first line the description");
        var description = prompt.Content.Split('\n')
            .Select(line => line.Trim().TrimStart('#').Trim())
            .FirstOrDefault(line => line.Length > 0)
            ?? throw prompt.Refuse(0, "expected a line that describes the workflow");
        var tools = open(ToolsFile, ToolsBytes) ?? throw Missing(folder, ToolsFile, "a flat array of tool rules");
        var mcp = open(McpFile, McpBytes);
        var environment = open(EnvironmentFile, EnvironmentBytes);
        var settings = open(SettingsFile, SettingsBytes);
        var workflow = empty with
        {
            Description = description,
            SystemPrompt = prompt.Content,
            AllowedTools = ToolRules.Read(tools),
            McpConfigJson = mcp is null ? null : McpConfig.Read(mcp),
            Settings = settings is null ? new WorkflowSettings() : WorkflowSettings.Read(settings),
            SettingsJson = settings?.Content,
        };
        return environment is null ? workflow : workflow with { Environment = DotEnv.Read(environment) };
    }

    private static FailureException Missing(string folder, string file, string what) =>
        WorkflowText.Invalid(Path.Combine(folder, file), $"expected {what}, found no such file");

    /// <summary>The folders of that name, the one that counts first.</summary>
    public IReadOnlyList<string> PlacesOf(string name) => [.. options.Folders
        .Reverse()
        .Distinct(StringComparer.Ordinal)
        .Select(folder => Path.Combine(folder, name))
        .Where(Directory.Exists)];

    /// <summary>Whether a workflow at that place counts before one of the same name in a folder.</summary>
    public bool Outranks(string place, string folder)
    {
        var folders = options.Folders.ToList();
        return folders.LastIndexOf(Path.GetDirectoryName(place)!) > folders.LastIndexOf(folder);
    }

    private IEnumerable<string> Names() => options.Folders
        .SelectMany(FoldersIn)
        .Where(name => !name.StartsWith('.'))
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal)
        .Take(MostListed);

    private static IReadOnlyList<string> FoldersIn(string folder) =>
        [.. Listed(folder).OfType<DirectoryInfo>().Select(entry => entry.Name)];

    private static FileSystemInfo[] Listed(string folder)
    {
        try
        {
            return Directory.Exists(folder) ? new DirectoryInfo(folder).GetFileSystemInfos() : [];
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "workflow_folder_unreadable",
                $"Listing what is in {folder} failed: {wrong.Message}",
                "Give the user that runs Berth the right to read that folder, or take it out of the settings.",
                Fault.Operator,
                wrong);
        }
    }

    /// <summary>Refuses what cannot be the name of a workflow.</summary>
    /// <exception cref="FailureException"><c>workflow_name_invalid</c>.</exception>
    public static void RequireName(string name)
    {
        var good = name.Length is >= 1 and <= LongestName
            && char.IsAsciiLetterOrDigit(name[0])
            && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-');
        if (!good)
        {
            throw new FailureException(
                "workflow_name_invalid",
                $"\"{Shown(name)}\" is not the name of a workflow: "
                + "expected 1 to 64 letters, digits, _ or -, a letter or digit first.",
                "`berth workflows` lists the names there are.",
                Fault.User);
        }
    }

    // A name that was refused is still shown, so nothing in it may steer a terminal or fill it.
    private static string Shown(string name) =>
        string.Concat(name.Take(LongestName).Select(letter => IsPlain(letter) ? letter : '?'));

    private static bool IsPlain(char letter) => !char.IsControl(letter) && !char.IsSurrogate(letter);

    private FailureException NotFound(string name)
    {
        var names = Names().ToList();
        var folder = options.Folders is [.., var last] ? last : "a folder of workflows";
        return new FailureException(
            "workflow_not_found",
            $"There is no workflow \"{name}\".{NearestName.Question(name, names)} "
                + $"There are: {(names.Count == 0 ? "none" : string.Join(", ", names))}.",
            $"Choose one of them, or make a folder \"{name}\" with prompt.md and allowed_tools.json in {folder}.",
            Fault.User);
    }
}
