using Berth.Engine;
using Berth.Engine.Workflows;

namespace Berth;

/// <summary>All settings, in the order in which people read about them.</summary>
internal static class SettingsTable
{
    private const long Mebi = 1024 * 1024;
    private const long Tebi = Mebi * Mebi;
    private const string Time = "1 to 86400 (or 1s to 24h)";

    /// <summary>The table.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        .. Places(), .. Sources(), .. Docker(), .. Limits(), .. PolicySettings.All, .. Bounds(), .. BudgetSettings.All,
        .. RetentionSettings.All, .. ServerSettings.All, .. CallerSettings.All, .. WebhookSettings.All,
        .. ModelSettings.All,
    ];

    private static IEnumerable<Setting> Places() =>
    [
        new()
        {
            Variable = "BERTH_HOME",
            Unit = "path",
            Range = "a folder's path",
            Default = "$XDG_DATA_HOME/berth, else ~/.local/share/berth",
            Description = "The folder of all state: database, run directories, mirrors, berth.json.",
            Bind = (options, value) => value.Path is { } path ? options with { Home = path } : null,
        },
        new()
        {
            Variable = "CLAUDE_LOCAL_WORKSPACE",
            Key = "workspace",
            Unit = "path",
            Range = "a folder's path",
            Default = "$BERTH_HOME/runs",
            Description = "Where run directories, and in them the workspaces, really are.",
            Bind = (options, value) => value.Path is { } path ? options with { RunsRoot = path } : null,
        },
        new()
        {
            Variable = "CLAUDE_LOCAL_CLEANUP",
            Key = "cleanup",
            Unit = "yes or no",
            Range = "true or false",
            Default = "true",
            Description = "Whether a run's workspace is removed at its end; transcript and outcome always stay.",
            Bind = (options, value) => value.Switch is { } on ? options with { RemoveWorkspaces = on } : null,
        },
        new()
        {
            Variable = "CLAUDE_LOCAL_GIT_CACHE",
            Key = "gitCache",
            Unit = "yes or no",
            Range = "true or false",
            Default = "true",
            Description = "Whether repositories are mirrored under $BERTH_HOME; without it each run clones anew.",
            Bind = (options, value) => value.Switch is { } on ? options with { UseMirror = on } : null,
        },
    ];

    private static IEnumerable<Setting> Sources() =>
    [
        new()
        {
            Variable = "BERTH_GIT_CREDENTIALS",
            Key = "gitCredentials",
            Unit = "path",
            Range = "a JSON file that others cannot read",
            Default = "$BERTH_HOME/git-credentials.json, where it is",
            Description = "Tokens and ssh keys for git servers, by host. Only git on the host is told them, "
                + "never the agent.",
            Bind = (options, value) => value.Path is { } path ? options with { GitCredentials = path } : null,
        },
        new()
        {
            Variable = "BERTH_WORKFLOWS",
            Key = "workflows",
            Separator = ':',
            Unit = "paths",
            Range = "folders' paths",
            Default = "none",
            Description = "Further folders of workflows, after the built-in ones and $BERTH_HOME/workflows; "
                + "later ones shadow earlier ones.",
            Bind = (options, value) => value.Paths is { } paths
                ? options with { WorkflowFolders = [.. options.WorkflowFolders, .. paths] }
                : null,
        },
        new()
        {
            Variable = "BERTH_TRUSTED",
            Key = "trustedRepositories",
            Separator = ',',
            Unit = "paths and URLs",
            Range = "paths or URLs of repositories",
            Default = "none",
            Description = "Repositories whose own Claude settings, hooks and MCP servers count in full, "
                + "inside the sandbox.",
            Bind = (options, value) => options with { TrustedRepositories = value.Words },
        },
        new()
        {
            Variable = "BERTH_CLAUDE",
            Key = "claude",
            Unit = "path",
            Range = "a program's path",
            Default = "tools/claude beside or above the program, then $BERTH_HOME/tools/claude, then PATH",
            Description = "The Claude Code CLI.",
            Bind = (options, value) => value.Path is { } path ? options with { ClaudeBinary = path } : null,
        },
        new()
        {
            Variable = "BERTH_SUPERVISOR",
            Key = "supervisor",
            Unit = "path",
            Range = "a program's path",
            Default = "supervisor/berth-supervisor beside the program",
            Description = "The program that owns a run's processes.",
            Bind = (options, value) => value.Path is { } path ? options with { SupervisorPath = path } : null,
        },
    ];

    private static IEnumerable<Setting> Docker() =>
    [
        new()
        {
            Variable = "BERTH_IMAGE",
            Key = "image",
            Unit = "name",
            Range = "an image's name",
            Default = BerthOptions.DefaultImage,
            Description = "The image of runs in Docker mode that name none.",
            Bind = (options, value) =>
                ImageName.IsName(value.Text) ? options with { Image = value.Text } : null,
        },
        new()
        {
            Variable = "DOCKER_HOST",
            Key = "dockerHost",
            Unit = "URL",
            Range = "unix:///PATH or tcp://HOST:PORT",
            Default = "unix:///var/run/docker.sock, else Podman's socket",
            Description = "Where Docker listens.",
            Bind = (options, value) => options with { DockerHost = value.Text },
        },
        new()
        {
            Variable = "BERTH_DOCKER_WARM",
            Key = "dockerWarm",
            Unit = "containers",
            Range = "0 to 16",
            Default = "0",
            Description = "How many paused containers may wait for the next run of their kind, on their repository.",
            Bind = (options, value) => value.Count(0, 16) is { } count ? options with { Warm = count } : null,
        },
    ];

    private static IEnumerable<Setting> Limits() =>
    [
        new()
        {
            Variable = "CLAUDE_CODE_MODE",
            Key = "mode",
            Unit = "word",
            Range = "local, docker or auto",
            Default = "docker, or what LocalMode rolls out",
            Description = "Where runs work if neither they nor their workflow say.",
            Bind = (options, value) =>
                value.Text is "local" or "docker" or "auto" ? options with { Mode = value.Text } : null,
        },
        new()
        {
            Variable = "BERTH_LOCAL_MODE",
            Key = "localMode",
            Unit = "flag",
            Range = "on, off, or a percentage of runs and names of workflows: 25%, or review, or 25%, review, test",
            Default = "on",
            Description = "The feature flag LocalMode. off: no run may be local. on: local where it is asked for. "
                + "A percentage, workflows: those are local also where nobody names a mode.",
            Bind = (options, value) =>
                LocalModeFlag.Parse(value.Text) is { } flag ? options with { LocalMode = flag } : null,
        },
        new()
        {
            Variable = "CLAUDE_CODE_TIMEOUT",
            Key = "timeout",
            Unit = "seconds",
            Range = Time,
            Default = "7200",
            Description = "How long the agent may work if neither the run nor its workflow says.",
            Bind = (options, value) => value.Seconds() is { } time ? options with { Timeout = time } : null,
        },
        new()
        {
            Variable = "CLAUDE_CODE_MAX_CONCURRENT",
            Key = "maxConcurrent",
            Unit = "runs",
            Range = "1 to 1000",
            Default = "20",
            Description = "How many runs of this home work at once; the others wait.",
            Bind = (options, value) =>
                value.Count(1, 1000) is { } count ? options with { MaxConcurrent = count } : null,
        },
    ];

    private static IEnumerable<Setting> Bounds() =>
    [
        new()
        {
            Variable = "BERTH_IDLE_REPORT",
            Key = "idleReport",
            Unit = "seconds",
            Range = Time,
            Default = "600",
            Description = "After how long without output a run is reported as idle.",
            Bind = (options, value) => value.Seconds() is { } time ? options with { IdleReport = time } : null,
        },
        new()
        {
            Variable = "BERTH_IDLE_STOP",
            Key = "idleStop",
            Unit = "seconds",
            Range = Time,
            Default = "never",
            Description = "After how long without output a run is stopped, if its workflow does not say.",
            Bind = (options, value) => value.Seconds() is { } time ? options with { IdleStop = time } : null,
        },
        new()
        {
            Variable = "BERTH_MEMORY",
            Key = "memory",
            Unit = "bytes",
            Range = "64M to 1024G (K, M and G are understood)",
            Default = "no limit",
            Description = "How much memory all processes of a run may have together, where the system can limit it.",
            Bind = (options, value) =>
                value.Bytes(64 * Mebi, Tebi) is { } bytes ? options with { MemoryBytes = bytes } : null,
        },
        new()
        {
            Variable = "BERTH_PROCESSES",
            Key = "processes",
            Unit = "processes",
            Range = "16 to 100000",
            Default = "no limit",
            Description = "How many processes and threads a run may have, where the system can limit it.",
            Bind = (options, value) =>
                value.Count(16, 100_000) is { } count ? options with { Processes = count } : null,
        },
        new()
        {
            Variable = "BERTH_CPUS",
            Key = "cpus",
            Unit = "processors",
            Range = "0.1 to 1024",
            Default = "no limit",
            Description = "How many processors' time a run may use, where the system can limit it.",
            Bind = (options, value) => Numbers.Decimal(value.Text) is { } cpus and >= 0.1m and <= 1024
                ? options with { Cpus = cpus }
                : null,
        },
    ];
}
