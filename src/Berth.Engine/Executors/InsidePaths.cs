namespace Berth.Engine.Executors;

/// <summary>Where things are inside the sandbox. The same for every run, so that nothing inside tells of the
/// host.</summary>
internal static class InsidePaths
{
    internal const string Workspace = "/workspace";
    internal const string Home = "/home/agent";
    internal const string Temp = "/tmp";
    internal const string ClaudeFolder = "/opt/claude";
    internal const string Agent = "/run/berth/agent";
    internal const string Gateway = "/run/berth/gateway";
    internal const string Artifacts = "/run/berth/artifacts";
    internal const string Capture = "/run/berth/capture";
    internal const string Supervisor = "/opt/berth";
}
