using System.Globalization;
using Berth.Engine.Network;

namespace Berth.Engine.Executors;

/// <summary>Environments that are the same in every mode.</summary>
internal static class RunEnvironment
{
    /// <summary>The port of the agent's own loopback that leads to the egress proxy.</summary>
    internal const int ProxyPort = 3128;

    /// <summary>An environment by which a process of the run is known.</summary>
    internal static Dictionary<string, string> Marked(
        IReadOnlyDictionary<string, string> environment, string runId) =>
        new(environment, StringComparer.Ordinal) { [RunProcesses.Variable] = runId };

    /// <summary>The agent's environment: with an allow-list it says where the proxy is, in the ways that programs look
    /// for it.</summary>
    internal static Dictionary<string, string> ForAgent(ExecutionSpec spec)
    {
        var environment = Marked(spec.Environment, spec.RunId);
        if (spec.Policy.Network.Mode == NetworkMode.Allowlist)
        {
            foreach (var name in (IReadOnlyList<string>)["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"])
            {
                environment[name] = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{ProxyPort}");
            }

            // Its own loopback and the model are reached without the proxy.
            environment["NO_PROXY"] = environment["no_proxy"] = "localhost,127.0.0.1,::1,berth-gateway";

            // Node's own fetch looks at the variables only where this is said.
            environment["NODE_USE_ENV_PROXY"] = "1";
        }

        return environment;
    }

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
