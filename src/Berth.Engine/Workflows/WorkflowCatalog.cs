using Berth.Protocol;

namespace Berth.Engine.Workflows;

/// <summary>The workflows that there are: one folder each, in the folders of the options.</summary>
/// <remarks>
/// Folders are read anew at each call, so that a workflow can be written and tried without a restart.
/// </remarks>
internal sealed class WorkflowCatalog(WorkflowOptions options)
{
    private const int LongestName = 64;
    private const int PromptBytes = 256 * 1024;
    private const int ToolsBytes = 64 * 1024;
    private const int McpBytes = 256 * 1024;
    private const int EnvironmentBytes = 64 * 1024;
    private const int SettingsBytes = 64 * 1024;

    // A list is for people; a folder with more entries than this is not one of workflows.
    private const int MostListed = 1000;

    /// <summary>Reads one workflow, all of it, before anything is created for a run.</summary>
    /// <exception cref="FailureException">
    /// <c>workflow_name_invalid</c>, <c>workflow_not_found</c>, or <c>workflow_invalid</c> with file, line, column and
    /// what was expected.
    /// </exception>
    public Workflow Load(string name)
    {
        RequireName(name);
        var places = PlacesOf(name);
        return places.Count > 0 ? Read(name, places) : throw NotFound(name);
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
            var workflow = Read(name, places);
            return new WorkflowListing(name, workflow.Folder, workflow.Description, Problem: null, workflow.Shadows);
        }
        catch (FailureException wrong)
        {
            return new WorkflowListing(name, places[0], Description: string.Empty, wrong.Failure, [.. places.Skip(1)]);
        }
    }

    private static Workflow Read(string name, IReadOnlyList<string> places)
    {
        var folder = places[0];
        var prompt = Required(folder, "prompt.md", PromptBytes, "the system prompt, its first line the description");
        var description = prompt.Content.Split('\n')
            .Select(line => line.Trim().TrimStart('#').Trim())
            .FirstOrDefault(line => line.Length > 0)
            ?? throw prompt.Refuse(0, "expected a line that describes the workflow");
        var tools = Required(folder, "allowed_tools.json", ToolsBytes, "a flat array of tool rules");
        var mcp = WorkflowText.Read(Path.Combine(folder, ".mcp.json"), McpBytes);
        var environment = WorkflowText.Read(Path.Combine(folder, ".env"), EnvironmentBytes);
        var settings = WorkflowText.Read(Path.Combine(folder, "workflow.json"), SettingsBytes);
        var workflow = new Workflow
        {
            Name = name,
            Folder = folder,
            Description = description,
            SystemPrompt = prompt.Content,
            AllowedTools = ToolRules.Read(tools),
            McpConfigJson = mcp is null ? null : McpConfig.Read(mcp),
            Settings = settings is null ? new WorkflowSettings() : WorkflowSettings.Read(settings),
            Shadows = [.. places.Skip(1)],
        };
        return environment is null ? workflow : workflow with { Environment = DotEnv.Read(environment) };
    }

    private static WorkflowText Required(string folder, string file, int maxBytes, string what)
    {
        var path = Path.Combine(folder, file);
        return WorkflowText.Read(path, maxBytes)
            ?? throw WorkflowText.Invalid(path, $"expected {what}, found no such file");
    }

    /// <summary>The folders of that name, the one that counts first.</summary>
    private IReadOnlyList<string> PlacesOf(string name) => [.. options.Folders
        .Reverse()
        .Distinct(StringComparer.Ordinal)
        .Select(folder => Path.Combine(folder, name))
        .Where(Directory.Exists)];

    private IEnumerable<string> Names() => options.Folders
        .SelectMany(FoldersIn)
        .Where(name => !name.StartsWith('.'))
        .Distinct(StringComparer.Ordinal)
        .Order(StringComparer.Ordinal)
        .Take(MostListed);

    private static IReadOnlyList<string> FoldersIn(string folder)
    {
        try
        {
            return Directory.Exists(folder)
                ? [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path))]
                : [];
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "workflow_folder_unreadable",
                $"Listing the workflows in {folder} failed: {wrong.Message}",
                "Give the user that runs Berth the right to read that folder, or take it out of the settings.",
                Fault.Operator,
                wrong);
        }
    }

    private static void RequireName(string name)
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
            $"There is no workflow \"{name}\". There are: {(names.Count == 0 ? "none" : string.Join(", ", names))}.",
            $"Choose one of them, or make a folder \"{name}\" with prompt.md and allowed_tools.json in {folder}.",
            Fault.User);
    }
}
