using Berth.Engine.Executors;
using Berth.Engine.Gateway;
using Berth.Engine.Network;
using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth.Engine;

/// <summary>Decides what a run may reach beyond the model, or refuses it.</summary>
internal static class RunNetwork
{
    private const string Hosts = "BERTH_NETWORK_HOSTS";

    /// <summary>The policy: what the request says, else the workflow, else nothing beyond the model.</summary>
    /// <param name="options">The operator's bounds.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="workflow">What the workflow says, or null.</param>
    /// <param name="sandbox">The isolation.</param>
    /// <exception cref="FailureException">It is malformed, beyond the bounds, or cannot be had.</exception>
    public static NetworkPolicy Decide(
        BerthOptions options, RunRequest request, NetworkPolicy? workflow, SandboxKind sandbox)
    {
        var policy = Asked(request, workflow ?? NetworkPolicy.None);
        ExecutionChecks.CheckNetwork(new ExecutionPolicy { Sandbox = sandbox, Network = policy });

        // A bare process of ours reaches what we reach, whatever is said.
        var real = sandbox == SandboxKind.None ? NetworkPolicy.Of(NetworkMode.Open) : policy;
        CheckBounds(options, real, sandbox);
        return real;
    }

    /// <summary>What the proxy of a run lets pass.</summary>
    public static ProxyOptions ProxyOf(BerthOptions options, NetworkPolicy policy) => new()
    {
        Hosts = [.. policy.Hosts.Select(HostPattern.Parse).OfType<HostPattern>()],
        Permitted = options.NetworkPrivate,
    };

    /// <summary>The server tools that a workflow permits, where the operator has not bounded the network: the service
    /// reaches any host by them.</summary>
    /// <exception cref="FailureException"><c>network_not_permitted</c>.</exception>
    public static IReadOnlyList<string> ModelToolsOf(BerthOptions options, IReadOnlyList<string> tools) =>
        tools.Count == 0 || MostOf(options) == NetworkMode.Open ? tools : throw Refusal(
            "network_not_permitted",
            $"The workflow's modelTools ({string.Join(", ", tools)}) reach any host through the model's service; the "
                + $"operator permits the network {NetworkPolicy.Word(MostOf(options))} at most.",
            "Take modelTools out of workflow.json, or have the operator change BERTH_NETWORK and " + Hosts + ".");

    /// <summary>What a run may have the model's service do for it: as much as it may do itself.</summary>
    public static GatewayPolicy ModelPolicyOf(RunPlan plan) => new()
    {
        MayFetch = plan.Network.Mode == NetworkMode.Open,
        ServerTools = plan.ModelTools,
    };

    private static NetworkPolicy Asked(RunRequest request, NetworkPolicy workflow)
    {
        var asked = request.Network is { } word
            ? NetworkPolicy.Read(word) ?? throw Refusal(
                "network_unknown", $"--network {word} does not exist.", "Use none, allowlist or open.")
            : (NetworkMode?)null;
        if (request.AllowedHosts.Count > 0 && asked is NetworkMode.None or NetworkMode.Open)
        {
            throw Refusal(
                "network_hosts_unused",
                $"--allow-host {request.AllowedHosts[0]} says nothing beside --network {request.Network}.",
                "Leave one of them out: --allow-host alone means --network allowlist.");
        }

        // Hosts that are named narrow an open workflow, and widen one that has a list.
        var mode = asked ?? (request.AllowedHosts.Count > 0 ? NetworkMode.Allowlist : workflow.Mode);
        if (mode != NetworkMode.Allowlist)
        {
            return NetworkPolicy.Of(mode);
        }

        var added = request.AllowedHosts.Select(Checked);
        var hosts = workflow.Hosts.Concat(added).Distinct(StringComparer.Ordinal).ToList();
        return hosts.Count is > 0 and <= NetworkPolicy.MostHosts
            ? new NetworkPolicy(mode, hosts)
            : throw Refusal(
                "network_hosts_missing",
                $"The run is to reach allowed hosts only, and {hosts.Count} are named.",
                $"Name 1 to {NetworkPolicy.MostHosts} with --allow-host NAME[:PORT], or in the workflow.");
    }

    private static string Checked(string host) => HostPattern.Parse(host)?.ToString() ?? throw Refusal(
        "network_host_invalid", $"--allow-host {host} cannot be a host.", $"Use {HostPattern.Expected}.");

    // Hosts that are bounded and a network that is not would be no bound.
    private static NetworkMode MostOf(BerthOptions options) =>
        options.NetworkHosts is not null && options.NetworkMost == NetworkMode.Open
            ? NetworkMode.Allowlist
            : options.NetworkMost;

    private static void CheckBounds(BerthOptions options, NetworkPolicy policy, SandboxKind sandbox)
    {
        var most = MostOf(options);
        if (policy.Mode > most)
        {
            var what = sandbox == SandboxKind.None
                ? "--sandbox none, which leaves the network open"
                : policy.ToString();
            throw Refusal(
                "network_not_permitted",
                $"The run asks for {what}; the operator permits {NetworkPolicy.Word(most)} at most.",
                "Ask for less, or have the operator change BERTH_NETWORK and " + Hosts + ".");
        }

        foreach (var host in policy.Hosts)
        {
            if (options.NetworkHosts is { } permitted && HostPattern.Parse(host) is { } pattern
                && !permitted.Any(bound => bound.Covers(pattern)))
            {
                throw Refusal(
                    "network_not_permitted",
                    $"The run asks for {host}; the operator permits {string.Join(", ", permitted)}.",
                    $"Leave it out, or have the operator change {Hosts}.");
            }
        }
    }

    private static FailureException Refusal(string code, string message, string hint) =>
        new(code, message, hint, Fault.User);
}
