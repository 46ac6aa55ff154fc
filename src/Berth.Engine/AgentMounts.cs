using System.Text;
using Berth.Engine.Claude;
using Berth.Engine.Executors;
using Berth.Engine.Runs;
using Berth.Engine.Workspaces;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>What an agent is given to read, and the command line that points at it.</summary>
internal static class AgentMounts
{
    /// <summary>
    /// Where a workflow's own folder is, for the programs of its MCP servers: <c>${BERTH_WORKFLOW}</c> in its
    /// .mcp.json.
    /// </summary>
    private const string WorkflowInside = "/run/berth/workflow";

    /// <summary>
    /// What the agent may read beside the usual: the mirror's objects, and the workflow's folder where its MCP servers
    /// need it.
    /// </summary>
    private static IEnumerable<HostMount> Of(RunPlan plan, PreparedWorkspace prepared)
    {
        if (prepared.MirrorObjects is { } objects)
        {
            yield return new HostMount(objects, objects);
        }

        if (plan.NeedsWorkflowFolder)
        {
            yield return new HostMount(plan.WorkflowFolder, WorkflowInside);
        }
    }

    /// <summary>What a run may reach and use.</summary>
    public static ExecutionPolicy PolicyOf(RunPlan plan, PreparedWorkspace prepared) => new()
    {
        Sandbox = plan.Sandbox,
        Mounts = [.. Of(plan, prepared)],
        ExtraMounts = plan.Mounts,
        TempBytes = plan.TempBytes ?? ExecutionPolicy.DefaultTempBytes,
        GuardsClaude = plan.ApprovalTimeout is not null && plan.Sandbox != SandboxKind.None,
        Network = plan.Network,
        MemoryBytes = plan.MemoryBytes,
        Processes = plan.Processes,
        Cpus = plan.Cpus,
        Image = plan.Image,
    };

    /// <summary>How Claude is called for this run.</summary>
    public static ClaudeInvocation InvocationOf(
        RunPlan plan, PreparedWorkspace prepared, ExecutionLayout layout) => new()
    {
        Claude = layout.Claude,
        Workspace = layout.Workspace,
        InstructionFolders =
            [.. prepared.InstructionFolders.Select(folder => StartFolder.Of(layout.Workspace, folder))],
        Home = layout.Home,
        TempFolder = layout.Temp,
        GatewaySocket = layout.GatewaySocket,
        SystemPromptFile = plan.HasSystemPrompt ? Path.Combine(layout.AgentFolder, AgentFiles.SystemPromptName) : null,
        McpConfigFile = plan.HasMcpConfig ? Path.Combine(layout.AgentFolder, AgentFiles.McpConfigName) : null,
        SettingsFile = Path.Combine(layout.AgentFolder, AgentFiles.SettingsName),
        SessionId = plan.SessionId,
        ConversationFile = plan.ContinuedFrom is null
            ? null
            : Path.Combine(layout.AgentFolder, AgentFiles.ConversationName),
        AllowedTools = plan.AllowedTools,
        PermissionMode = plan.PermissionMode,
        Trust = plan.Trust,
        Model = plan.Model,
        MaxTurns = plan.MaxTurns,
        MaxBudgetUsd = plan.MaxBudgetUsd,
    };

    /// <summary>The agent's environment, without secrets.</summary>
    public static Dictionary<string, string> EnvironmentOf(
        string runId, RunPlan plan, ExecutionLayout layout, ClaudeInvocation invocation)
    {
        var environment = new Dictionary<string, string>(
            ClaudeCommandLine.Environment(invocation),
            StringComparer.Ordinal)
        {
            ["PATH"] = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            ["LANG"] = "C.UTF-8",
            ["USER"] = "agent",
            ["LOGNAME"] = "agent",
            ["SHELL"] = "/bin/bash",
            ["BERTH_RUN_ID"] = runId,
            ["BERTH_ARTIFACTS"] = layout.Artifacts,
        };
        if (plan.NeedsWorkflowFolder)
        {
            environment["BERTH_WORKFLOW"] = plan.Sandbox == SandboxKind.None ? plan.WorkflowFolder : WorkflowInside;
        }

        return environment;
    }

    /// <summary>Writes the settings that outrank the repository's.</summary>
    public static void WriteSettings(RunDirectory directory, ClaudeInvocation invocation) => AtomicFile.Write(
        Path.Combine(directory.AgentFolder, AgentFiles.SettingsName),
        Encoding.UTF8.GetBytes(ClaudeCommandLine.Settings(invocation)));
}
