using Berth.Engine.Processes;

namespace Berth.Engine.Git;

/// <summary>The git program on the host: one method per thing we ask of it.</summary>
internal sealed partial class GitProgram(GitOptions options, ProcessRunner processes)
{
    internal string ConfigFolder => options.ConfigFolder;

    internal ProcessRunner Processes => processes;
}
