using Berth.Engine.Workflows;

namespace Berth.Tests.Workflows;

/// <summary>Folders of workflows for one test, gone afterwards.</summary>
internal sealed class WorkflowFolders : IDisposable
{
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("berth-workflows-");

    public string Folder(string name) => Path.Combine(root.FullName, name);

    /// <summary>Writes a valid workflow; what is given takes the place of its files, and null leaves one out.</summary>
    public string Write(string folder, string name, params (string File, string? Content)[] files)
    {
        var path = Directory.CreateDirectory(Path.Combine(root.FullName, folder, name)).FullName;
        (string File, string? Content)[] all =
            [("prompt.md", "Says hello.\n\nSay hello.\n"), ("allowed_tools.json", """["Read"]"""), .. files];
        foreach (var (file, content) in all)
        {
            File.Delete(Path.Combine(path, file));
            if (content is not null)
            {
                File.WriteAllText(Path.Combine(path, file), content);
            }
        }

        return path;
    }

    public WorkflowCatalog Catalog(params string[] folders) =>
        new(new WorkflowOptions { Folders = [.. folders.Select(Folder)] });

    public void Dispose() => root.Delete(recursive: true);
}
