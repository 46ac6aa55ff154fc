namespace Berth.Protocol;

/// <summary>The files of one run: the contract between the supervisor, the host of the run, and every
/// reader.</summary>
/// <remarks>
/// The folder has mode 0700. The journal has one writer at a time: the host until the supervisor is started, the
/// supervisor while it lives, the host again once <see cref="ExitFile"/> is there.
/// </remarks>
/// <param name="Root">The absolute path of the folder.</param>
public sealed record RunDirectory(string Root)
{
    /// <summary>The word by which a supervisor is told to wait for <see cref="SpecFile"/>.</summary>
    public const string WaitWord = "wait";

    /// <summary>The name in <see cref="Root"/> of the file that the host of a run keeps locked while it
    /// lives.</summary>
    public const string HostLockName = "host.lock";

    /// <summary>The control socket's name in <see cref="Root"/>.</summary>
    public const string ControlSocketName = "control.sock";

    /// <summary>The gateway socket's name in <see cref="GatewayFolder"/>.</summary>
    public const string GatewaySocketName = "model.sock";

    /// <summary>The egress proxy's socket's name in <see cref="GatewayFolder"/>; there where the policy is an
    /// allow-list.</summary>
    public const string ProxySocketName = "proxy.sock";

    /// <summary>The name in <see cref="GatewayFolder"/> of the socket by which a sandbox hands its listener to the
    /// supervisor; gone before the agent starts.</summary>
    public const string HandoverSocketName = "handover.sock";

    /// <summary>The name of <see cref="ArtifactsInside"/> in <see cref="Root"/>.</summary>
    public const string ArtifactsInsideName = "artifacts-inside";

    /// <summary>The name of <see cref="ArtifactsFolder"/> in <see cref="Root"/>.</summary>
    public const string ArtifactsName = "artifacts";

    /// <summary>What the supervisor is to do; a <see cref="SupervisorSpec"/>. Written once, without secrets.</summary>
    public string SpecFile => Path.Combine(Root, "spec.json");

    /// <summary>Secret values for the agent's environment (0600); a <see cref="RunSecrets"/>. The supervisor unlinks
    /// it once read.</summary>
    public string SecretsFile => Path.Combine(Root, "secrets.json");

    /// <summary>How the execution is found again; an <see cref="ExecutionHandle"/>.</summary>
    public string HandleFile => Path.Combine(Root, "handle.json");

    /// <summary>The journal: one <see cref="JournalEntry"/> a line.</summary>
    public string JournalFile => Path.Combine(Root, "events.ndjson");

    /// <summary>Lines too long for the journal, one file each, named by the entry that mentions them.</summary>
    public string SpillFolder => Path.Combine(Root, "spill");

    /// <summary>How it ended; an <see cref="ExitRecord"/>. Written once, by rename.</summary>
    public string ExitFile => Path.Combine(Root, "exit.json");

    /// <summary>The name in <see cref="Root"/> of the file that keeps room for <see cref="ExitFile"/> until it is
    /// written.</summary>
    public const string ExitReserveName = "exit.reserve";

    /// <summary>The prompt as the lines that the agent reads from standard input.</summary>
    public string InputFile => Path.Combine(Root, "input.ndjson");

    /// <summary>What the supervisor itself had to say: nothing, unless it broke.</summary>
    public string SupervisorLog => Path.Combine(Root, "supervisor.log");

    /// <summary>The repository, written by the agent. Never run git in it on the host.</summary>
    public string Workspace => Path.Combine(Root, "workspace");

    /// <summary>Locked by the host while it fills the workspace.</summary>
    public string WorkspaceLock => Workspace + ".lock";

    /// <summary>The agent's HOME.</summary>
    public string Home => Path.Combine(Root, "home");

    /// <summary>The folder of the gateway's socket, mounted as a folder because a new host makes a new
    /// socket.</summary>
    public string GatewayFolder => Path.Combine(Root, "gateway");

    /// <summary>What Berth gives the agent to read: system prompt, MCP servers, settings.</summary>
    public string AgentFolder => Path.Combine(Root, "agent");

    /// <summary>Where capture leaves its bundle. Untrusted: the agent's filters may run while it is written.</summary>
    public string CaptureFolder => Path.Combine(Root, "capture");

    /// <summary>The agent's own folder for what it makes beside the repository: <c>$BERTH_ARTIFACTS</c>. Untrusted, and
    /// gone when the run has ended.</summary>
    public string ArtifactsInside => Path.Combine(Root, ArtifactsInsideName);

    /// <summary>What was taken over from there, for readers.</summary>
    public string ArtifactsFolder => Path.Combine(Root, ArtifactsName);

    /// <summary>The commits of the run as a git bundle; absent where there are none.</summary>
    public string BundleFile => Path.Combine(CaptureFolder, "work.bundle");
}
