namespace Berth.Engine.Executors;

/// <summary>Environments that are the same in every mode.</summary>
internal static class RunEnvironment
{
    /// <summary>An environment by which a process of the run is known.</summary>
    internal static Dictionary<string, string> Marked(
        IReadOnlyDictionary<string, string> environment, string runId) =>
        new(environment, StringComparer.Ordinal) { [RunProcesses.Variable] = runId };

    /// <summary>What git has when it captures. The agent may have written a ~/.gitconfig, and the machine may have one
    /// with credentials: capture reads neither.</summary>
    internal static Dictionary<string, string> ForCapture(string home, string runId) => Marked(
        new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
            ["HOME"] = home,
            ["LANG"] = "C.UTF-8",
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            ["GIT_TERMINAL_PROMPT"] = "0",
        },
        runId);
}
