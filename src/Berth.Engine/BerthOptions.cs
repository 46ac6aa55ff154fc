using System.Net;
using Berth.Engine.Gateway;
using Berth.Engine.Git;
using Berth.Engine.Network;
using Berth.Engine.Workflows;

namespace Berth.Engine;

/// <summary>
/// The settings of a home, bound and validated once by the program. Each has its row in docs/LOCAL_MODE_GUIDE.md.
/// </summary>
internal sealed record BerthOptions
{
    /// <summary>The folder of all state: database, run directories, mirrors. <c>BERTH_HOME</c>.</summary>
    public required string Home { get; init; }

    /// <summary>How the PostgreSQL is reached that is used in the place of the home's own database; null for none.
    /// <c>BERTH_DATABASE</c>.</summary>
    public string? Database { get; init; }

    /// <summary>Where run directories really go; null for <see cref="Home"/>. <c>CLAUDE_LOCAL_WORKSPACE</c>.</summary>
    public string? RunsRoot { get; init; }

    /// <summary>
    /// Whether workspaces are removed at the end of a run. Default true. <c>CLAUDE_LOCAL_CLEANUP</c>.
    /// </summary>
    public bool RemoveWorkspaces { get; init; } = true;

    /// <summary>The file of git servers' credentials; null for <c>git-credentials.json</c> in <see cref="Home"/>.
    /// <c>BERTH_GIT_CREDENTIALS</c>.</summary>
    public string? GitCredentials { get; init; }

    /// <summary>The file of budgets; null for <c>budgets.json</c> in <see cref="Home"/>.
    /// <c>BERTH_BUDGETS</c>.</summary>
    public string? Budgets { get; init; }

    /// <summary>The file of models' prices; null for the built-in ones alone. <c>BERTH_MODEL_PRICES</c>.</summary>
    public string? ModelPrices { get; init; }

    /// <summary>How git is run.</summary>
    public GitOptions Git => field ??= new()
    {
        ConfigFolder = Path.Combine(Home, "git"),
        Environment = Environment,
        Credentials = new(GitCredentials ?? Path.Combine(Home, "git-credentials.json")),
        Helper = SupervisorPath,
        Judge = new RepositoryGuard(Server.RepositoryHosts).JudgeAsync,
    };

    /// <summary>Whether repositories are mirrored. Default true. <c>CLAUDE_LOCAL_GIT_CACHE</c>.</summary>
    public bool UseMirror { get; init; } = true;

    /// <summary>
    /// How long a run may take where nobody says. 1 s to 24 h, default 2 h. <c>CLAUDE_CODE_TIMEOUT</c> (seconds).
    /// </summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromHours(2);

    /// <summary>
    /// How many runs work at once on this home; the others wait. 1 to 1000, default 20.
    /// <c>CLAUDE_CODE_MAX_CONCURRENT</c>.
    /// </summary>
    public int MaxConcurrent { get; init; } = 20;

    /// <summary>The model where neither run nor workflow says; null for the CLI's own choice.
    /// <c>ANTHROPIC_MODEL</c>.</summary>
    public string? Model { get; init; }

    /// <summary>The mode where neither run nor workflow says: local, docker or auto. <c>CLAUDE_CODE_MODE</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>Whether runs may be local, and which are where nobody names a mode. Default on.
    /// <c>BERTH_LOCAL_MODE</c>.</summary>
    public LocalModeFlag LocalMode { get; init; } = LocalModeFlag.On;

    /// <summary>How much <c>/tmp</c> of a run may hold, in bytes; null for the policy's own 4 GiB.
    /// <c>BERTH_TMP</c>.</summary>
    public long? TempBytes { get; init; }

    /// <summary>How much of the disk runs may use.</summary>
    public DiskOptions Disk { get; init; } = new();

    /// <summary>Host folders that runs may ask for. Default none. <c>BERTH_MOUNTS</c>.</summary>
    public IReadOnlyList<MountText> Mounts { get; init; } = [];

    /// <summary>The most that a run may reach. Default: open, where it is asked for. <c>BERTH_NETWORK</c>.</summary>
    public NetworkMode NetworkMost { get; init; } = NetworkMode.Open;

    /// <summary>The hosts that may be allowed at all; null, the default, for any. Where it is set, open is not
    /// permitted. <c>BERTH_NETWORK_HOSTS</c>.</summary>
    public IReadOnlyList<HostPattern>? NetworkHosts { get; init; }

    /// <summary>Inner addresses that allowed hosts may have. Default none. <c>BERTH_NETWORK_PRIVATE</c>.</summary>
    public IReadOnlyList<IPNetwork> NetworkPrivate { get; init; } = [];

    /// <summary>Where Docker listens; null for the usual socket. <c>DOCKER_HOST</c>.</summary>
    public string? DockerHost { get; init; }

    /// <summary>The image of runs in Docker mode that name none. <c>BERTH_IMAGE</c>.</summary>
    public string Image { get; init; } = DefaultImage;

    /// <summary>The image that <c>berth image build</c> makes where nobody names one.</summary>
    public static string DefaultImage { get; } =
        $"berth-run:{typeof(BerthOptions).Assembly.GetName().Version!.ToString(3)}";

    /// <summary>How many warm containers may wait. 0 to 16, default 0: none. <c>BERTH_DOCKER_WARM</c>.</summary>
    public int Warm { get; init; }

    /// <summary>How many processors' time a run may use, where the system can limit it. Default none.
    /// <c>BERTH_CPUS</c>.</summary>
    public decimal? Cpus { get; init; }

    /// <summary>Folders of workflows, later ones shadowing earlier ones.</summary>
    public required IReadOnlyList<string> WorkflowFolders { get; init; }

    /// <summary>Repositories (paths or URLs) whose own Claude configuration counts in full.</summary>
    public IReadOnlyList<string> TrustedRepositories { get; init; } = [];

    /// <summary>The CLI's binary, where it was named; else it is looked for. <c>BERTH_CLAUDE</c>.</summary>
    public string? ClaudeBinary { get; init; }

    /// <summary>The folder of the program, from which the CLI, the supervisor and the workflows are found.</summary>
    public required string ProgramFolder { get; init; }

    /// <summary>The supervisor's program. <c>BERTH_SUPERVISOR</c>.</summary>
    public required string SupervisorPath { get; init; }

    /// <summary>The command that starts a host, to which the run's id is added: an absolute path first.</summary>
    public required IReadOnlyList<string> HostCommand { get; init; }

    /// <summary>The environment that programs of the host (git, hosts of runs) are started with.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Where the model is and with which credential.</summary>
    public required GatewayOptions Gateway { get; init; }

    /// <summary>The server that commands ask; none by default.</summary>
    public RemoteOptions Remote { get; init; } = new(null, null);

    /// <summary>What is kept of ended runs, and for how long.</summary>
    public RetentionOptions Retention { get; init; } = new();

    /// <summary>What only a server has.</summary>
    public ServerOptions Server { get; init; } = new();

    /// <summary>
    /// After how long without output a run is reported as idle. 1 s to 24 h, default 10 min. <c>BERTH_IDLE_REPORT</c>.
    /// </summary>
    public TimeSpan IdleReport { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// After how long without output a run is stopped. 1 s to 24 h, default never. <c>BERTH_IDLE_STOP</c>.
    /// </summary>
    public TimeSpan? IdleStop { get; init; }

    /// <summary>
    /// How much memory all processes of a run may have together, in bytes, where the system can limit it. Default none.
    /// <c>BERTH_MEMORY</c>.
    /// </summary>
    public long? MemoryBytes { get; init; }

    /// <summary>
    /// How many processes a run may have, where the system can limit it. Default none. <c>BERTH_PROCESSES</c>.
    /// </summary>
    public int? Processes { get; init; }
}
