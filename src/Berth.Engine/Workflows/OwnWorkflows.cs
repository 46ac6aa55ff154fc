using System.Globalization;
using System.Text;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Workflows;

/// <summary>What the files of a workflow are to hold.</summary>
/// <param name="Prompt">The system prompt.</param>
/// <param name="AllowedTools">A flat array of tool rules, as JSON.</param>
/// <param name="Mcp">The MCP servers as JSON, or null for none.</param>
/// <param name="Settings">The settings as JSON, or null for none.</param>
/// <param name="Environment">The agent's variables, or null to leave those that there are.</param>
internal sealed record WorkflowFiles(
    string Prompt, string AllowedTools, string? Mcp, string? Settings,
    IReadOnlyDictionary<string, string>? Environment);

/// <summary>The workflows of a home, as its server writes them.</summary>
/// <remarks>
/// Constraints: the server may be killed between any two lines, and others read meanwhile. So a workflow is written
/// whole beside its place, and comes there in one step: by a move where there was none, by an exchange where there was
/// one. What is left over has a name with a dot in front, is no workflow, and goes with the next writing. What the API
/// could not give back (a link, the program of an MCP server) is never taken away.
/// </remarks>
internal sealed class OwnWorkflows(WorkflowCatalog catalog, string folder)
{
    private const string LeftOver = ".tmp";

    private readonly Lock gate = new();

    /// <summary>Whether a workflow in that folder is one that can be written here.</summary>
    public bool Holds(string place) =>
        string.Equals(Path.GetDirectoryName(place), folder, StringComparison.Ordinal);

    /// <summary>Makes one. A built-in one of its name is shadowed by it.</summary>
    /// <exception cref="FailureException"><c>workflow_name_invalid</c>, <c>workflow_invalid</c>,
    /// <c>workflow_exists</c>, <c>workflow_read_only</c>, <c>workflows_too_many</c>,
    /// <c>workflow_not_written</c>.</exception>
    public void Create(string name, WorkflowFiles files)
    {
        var content = Checked(name, files, kept: null);
        Write(() =>
        {
            var place = Path.Combine(folder, name);
            if (Path.Exists(place))
            {
                throw new FailureException(
                    "workflow_exists",
                    $"There is a workflow {name} already.",
                    "PUT replaces it.",
                    Fault.User);
            }

            // It would take the place of ours, and nobody would see what was made.
            if (catalog.PlacesOf(name) is [var first, ..] && catalog.Outranks(first, folder))
            {
                throw ReadOnly(name, first);
            }

            if (Directory.EnumerateDirectories(folder).Count() >= WorkflowCatalog.MostListed)
            {
                throw new FailureException(
                    "workflows_too_many",
                    $"There are {WorkflowCatalog.MostListed} workflows already.",
                    "Remove one that nobody needs.",
                    Fault.User);
            }

            AtomicFolder.Move(Lay(name, content), place);
        });
    }

    /// <summary>Replaces one, whole.</summary>
    /// <exception cref="FailureException">As <see cref="Create"/>, and <c>workflow_not_found</c>,
    /// <c>workflow_not_plain</c>.</exception>
    public void Replace(string name, WorkflowFiles files)
    {
        WorkflowCatalog.RequireName(name);
        Write(() =>
        {
            var place = PlainPlaceOf(name);
            var kept = WorkflowText.Read(
                Path.Combine(place, WorkflowCatalog.EnvironmentFile), WorkflowCatalog.EnvironmentBytes);
            var old = Lay(name, Checked(name, files, kept?.Content));
            AtomicFolder.Exchange(old, place);
            Directory.Delete(old, recursive: true);
        });
    }

    /// <summary>Removes one.</summary>
    /// <exception cref="FailureException"><c>workflow_name_invalid</c>, <c>workflow_not_found</c>,
    /// <c>workflow_read_only</c>, <c>workflow_not_plain</c>, <c>workflow_not_written</c>.</exception>
    public void Remove(string name)
    {
        WorkflowCatalog.RequireName(name);
        Write(() =>
        {
            var old = PathBeside(name);
            AtomicFolder.Move(PlainPlaceOf(name), old);
            Directory.Delete(old, recursive: true);
        });
    }

    private void Write(Action write)
    {
        try
        {
            lock (gate)
            {
                Directory.CreateDirectory(
                    folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                Sweep();
                write();
            }
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException)
        {
            throw new FailureException(
                "workflow_not_written",
                $"Writing to {folder} failed: {wrong.Message}",
                "Make room there, or give the server's user the right to write.",
                Fault.Operator,
                wrong);
        }
    }

    private static Dictionary<string, byte[]> Checked(string name, WorkflowFiles files, string? kept)
    {
        var environment = files.Environment is { } given
            ? given.Count == 0 ? null : DotEnv.Write(given)
            : kept;
        var content = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (file, text) in new[]
        {
            (WorkflowCatalog.PromptFile, files.Prompt), (WorkflowCatalog.ToolsFile, files.AllowedTools),
            (WorkflowCatalog.McpFile, files.Mcp), (WorkflowCatalog.SettingsFile, files.Settings),
            (WorkflowCatalog.EnvironmentFile, environment),
        })
        {
            if (text is not null)
            {
                content[file] = Encoding.UTF8.GetBytes(text);
            }
        }

        _ = WorkflowCatalog.Check(name, content);
        return content;
    }

    // All of it beside its place, on the disk.
    private string Lay(string name, Dictionary<string, byte[]> content)
    {
        var beside = PathBeside(name);
        Directory.CreateDirectory(
            beside, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var (file, bytes) in content)
        {
            AtomicFile.Write(Path.Combine(beside, file), bytes);
        }

        return beside;
    }

    private string PathBeside(string name) =>
        Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $".{name}.{Guid.NewGuid():N}{LeftOver}"));

    private void Sweep()
    {
        foreach (var old in Directory.EnumerateDirectories(folder, $".*{LeftOver}"))
        {
            Directory.Delete(old, recursive: true);
        }
    }

    private string PlainPlaceOf(string name)
    {
        var place = Path.Combine(folder, name);
        if (!Directory.Exists(place))
        {
            throw catalog.PlacesOf(name) is [var first, ..]
                ? ReadOnly(name, first)
                : new FailureException(
                    "workflow_not_found", $"There is no workflow \"{name}\".", "POST makes one.", Fault.User);
        }

        var strange = new DirectoryInfo(place).LinkTarget is not null ? "it is a link"
            : WorkflowCatalog.OthersIn(place).FirstOrDefault() is { } other
                ? $"it holds {other.Name}, which is no file of a workflow"
                : null;
        return strange is null ? place : throw new FailureException(
            "workflow_not_plain",
            $"The workflow {name} is not changed through the API: {strange}.",
            $"Change it on the server's machine, in {place}.",
            Fault.User);
    }

    private static FailureException ReadOnly(string name, string place) => new(
        "workflow_read_only",
        $"The workflow {name} is not one of the server's home, and is only read: it is in {place}.",
        "POST makes one of the same name in the place of a built-in one.",
        Fault.User);
}
