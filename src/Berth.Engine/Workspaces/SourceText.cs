namespace Berth.Engine.Workspaces;

/// <summary>Reads what a person wrote for a repository.</summary>
internal static class SourceText
{
    internal static RepositorySource Parse(string text, string currentDirectory) => throw new NotSupportedException();
}
