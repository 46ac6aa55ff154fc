using Berth.Engine.Runs;
using Berth.Protocol;

namespace Berth;

/// <summary>The exit codes of the command line: a documented list, the only place where they are decided.</summary>
internal static class ExitCodes
{
    public const int Succeeded = 0;
    public const int Failed = 1;

    /// <summary>Bad usage or settings: nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>A limit was reached: turns, tokens or budget.</summary>
    public const int Limit = 3;

    public const int TimedOut = 4;

    /// <summary>The place to run is not available.</summary>
    public const int Unavailable = 5;

    public const int Lost = 6;
    public const int Cancelled = 130;

    /// <summary>Added to a signal's number when it sent the command away; the run goes on.</summary>
    public const int SentAway = 128;

    /// <summary>All of them, in words.</summary>
    public static IReadOnlyList<(string Code, string Meaning)> Meanings { get; } =
    [
        ("0", "The run succeeded, or the command did what was asked."),
        ("1", "The run failed, or the command did."),
        ("2", "Bad usage or settings: nothing was done."),
        ("3", "A limit was reached: turns, tokens or budget."),
        ("4", "The time limit passed."),
        ("5", "The place to run is not available; berth doctor says what is missing."),
        ("6", "The run is lost: its supervisor died, or the machine was restarted."),
        ("130", "The run was cancelled."),
        ("128+N", "Signal N sent the command away; the run goes on."),
    ];

    private static readonly HashSet<string> LimitCodes = new(StringComparer.Ordinal)
    {
        "max_turns_reached",
        "max_tokens_reached",
        "budget_reached",
        "day_budget_reached",
    };

    private static readonly HashSet<string> UnavailableCodes = new(StringComparer.Ordinal)
    {
        "agent_not_executable",
        "agent_not_found",
        "agent_wrong_format",
        "bubblewrap_missing",
        "bubblewrap_too_old",
        "claude_missing",
        "cli_broken",
        "cli_not_executable",
        "cli_not_found",
        "cli_wrong_architecture",
        "companion_start_failed",
        "container_name_taken",
        "container_start_failed",
        "docker_host_invalid",
        "docker_not_answering",
        "docker_not_local",
        "docker_not_understood",
        "docker_permission_denied",
        "docker_refused",
        "docker_too_old",
        "docker_unreachable",
        "docker_users_remapped",
        "git_missing",
        "image_missing",
        "image_not_linux",
        "limit_not_available",
        "local_mode_off",
        "mount_unreadable",
        "sandbox_failed",
        "server_not_understood",
        "server_unreachable",
        "supervisor_missing",
        "user_namespaces_forbidden",
    };

    private static readonly HashSet<string> UsageCodes = new(StringComparer.Ordinal)
    {
        "credential_missing",
        "files_exposed",
        "provider_not_supported",
        "setting_unknown",
        "setting_invalid",
        "settings_file_invalid",
    };

    /// <summary>The exit code for a run that is final.</summary>
    public static int Of(RunView run) => run.State switch
    {
        RunState.Succeeded => Succeeded,
        RunState.Cancelled => Cancelled,
        RunState.TimedOut => TimedOut,
        RunState.Lost => Lost,
        _ when run.Error is { } error && LimitCodes.Contains(error.Code) => Limit,
        _ when run.Error is { } error && UnavailableCodes.Contains(error.Code) => Unavailable,
        _ when run.Error is { Code: "no_default_branch" or "directory_not_found" } => Usage,
        _ => Failed,
    };

    /// <summary>The exit code for a command that was refused or could not go on.</summary>
    public static int Of(Failure failure) => failure switch
    {
        _ when UnavailableCodes.Contains(failure.Code) => Unavailable,
        _ when UsageCodes.Contains(failure.Code) || failure.Fault == Fault.User => Usage,
        _ => Failed,
    };
}
