using System.Globalization;
using Berth.Protocol;

namespace Berth.Engine.Claude;

/// <summary>The failures that a process's end tells, where its transcript tells none.</summary>
internal static class ExitFailures
{
    private const int MaxQuote = 600;

    private const string Doctor = "Run 'berth doctor'; it says what is missing and how to mend it.";
    private const string Logs = "Look at the end of 'berth logs' for what it did last.";
    private const string Outside = "Somebody or something on the machine sent that signal; start the run again.";
    private const string Limits = "A limit of memory or processes can do this, or a hand; see dmesg.";

    private static readonly string[] SignalNames =
    [
        "signal 0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL",
        "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM",
    ];

    private static readonly (string Code, string What, string Hint, Fault Fault) Sandbox =
        ("sandbox_failed", "The sandbox could not be made", Doctor, Fault.Operator);

    /// <summary>The supervisor could not start it and did not say why.</summary>
    public static Failure NotStarted { get; } = new(
        "claude_not_started", "The Claude Code CLI could not be started.", "Run 'berth doctor'.", Fault.Operator);

    /// <summary>It was cancelled.</summary>
    public static Failure Cancelled { get; } = new(
        "cancelled", "The run was cancelled.", "What it had done until then is kept.", Fault.Nobody);

    /// <summary>It said nothing for too long.</summary>
    public static Failure IdleStopped { get; } = new(
        "idle_stopped",
        "Claude gave no output for longer than the idle limit and was stopped.",
        "Look at the end of 'berth logs'; a longer idle limit may be needed.",
        Fault.Agent);

    /// <summary>Somebody stopped the supervisor.</summary>
    public static Failure Stopped { get; } = new(
        "supervisor_stopped",
        "The run's supervisor was told to stop and stopped Claude.",
        "If nobody did that on purpose, look for a shutdown of the machine or of the session.",
        Fault.Operator);

    /// <summary>The time limit.</summary>
    public static Failure TimedOut(ExitRecord exit) => new(
        "timed_out",
        string.Create(CultureInfo.InvariantCulture, $"The time limit was reached after {exit.AgentMs / 1000} s."),
        "Give the run more time with --timeout, or a smaller thing to do. What it had done until then is kept.",
        Fault.Nobody);

    /// <summary>The memory limit.</summary>
    public static Failure OutOfMemory(ExitRecord exit) => new(
        "out_of_memory",
        $"The run reached its memory limit and Claude ended by {End(exit)}.",
        "Raise the memory limit, or make the run's commands use less.",
        Fault.User);

    /// <summary>The disk had too little room left.</summary>
    public static Failure DiskFull { get; } = new(
        "disk_full",
        "The disk of the run had too little room left (BERTH_DISK_STOP), and the run was stopped.",
        "Free some space; berth cleanup --all removes what ended runs have left. What it had done until then is kept.",
        Fault.Operator);

    /// <summary>The run's own bound of disk.</summary>
    public static Failure DiskLimit { get; } = new(
        "disk_limit",
        "The run's files held more than BERTH_DISK allows, and the run was stopped.",
        "Raise the limit, or make the run's commands write less. What it had done until then is kept.",
        Fault.User);

    /// <summary>The limit of processes.</summary>
    public static Failure ProcessLimit(ExitRecord exit) => new(
        "process_limit",
        $"The run reached its limit of processes and Claude ended by {End(exit)}.",
        "Raise the limit, or look in 'berth logs' for the command that started so many.",
        Fault.User);

    /// <summary>What an exit code or a signal says.</summary>
    public static (ClaudeEnd End, Failure Failure) Of(ClaudeEvidence evidence, ExitRecord exit)
    {
        var isBubblewrap = !evidence.Initialized && evidence.Stderr.StartsWith("bwrap: ", StringComparison.Ordinal);
        var (name, what, hint, fault) = isBubblewrap ? Sandbox : Of(exit, evidence.Initialized);
        var when = evidence switch
        {
            { Result.IsSuccess: true } => "after a successful result",
            { Initialized: true } => "without a result",
            _ => "before it began",
        };
        var failure = new Failure(name, $"{what}, {when}.{Quote(evidence.Stderr)}", hint, fault);
        return (evidence.Initialized ? ClaudeEnd.Crashed : ClaudeEnd.NotStarted, failure);
    }

    private static (string Code, string What, string Hint, Fault Fault) Of(ExitRecord exit, bool began) =>
        (exit.ExitCode ?? 128 + (exit.Signal ?? 0)) switch
        {
            0 => ("claude_no_result", "Claude ended with exit code 0", Logs, Fault.Agent),
            1 when !began => ("claude_startup_failed", "Claude ended with exit code 1", Doctor, Fault.Operator),
            1 => ("claude_failed", "Claude ended with exit code 1", Logs, Fault.Agent),
            2 => ("claude_usage", "Claude refused its arguments and ended with exit code 2", Doctor, Fault.Berth),
            125 => Sandbox,
            126 => ("claude_not_executable", "The Claude CLI is not executable: exit code 126", Doctor, Fault.Operator),
            127 => ("claude_missing", "The Claude Code CLI was not found: exit code 127", Doctor, Fault.Operator),
            129 => ("claude_hung_up", "Claude was ended by SIGHUP", Outside, Fault.Nobody),
            130 => ("claude_interrupted", "Claude was ended by SIGINT", Outside, Fault.Nobody),
            132 => ("claude_panicked", "Claude's runtime broke off (exit code 132, SIGILL)", Limits, Fault.Agent),
            137 => ("claude_killed", "Claude was killed by SIGKILL, which none of ours sent", Limits, Fault.Operator),
            143 => ("claude_terminated", "Claude was ended by SIGTERM, which none of ours sent", Outside, Fault.Nobody),
            _ when exit.Signal is null => ("claude_exited", $"Claude ended with {End(exit)}", Logs, Fault.Agent),
            _ => ("claude_signalled", $"Claude was ended by {End(exit)}", Logs, Fault.Agent),
        };

    private static string End(ExitRecord exit) => exit switch
    {
        { Signal: { } signal } when signal > 0 && signal < SignalNames.Length => SignalNames[signal],
        { Signal: { } signal } => string.Create(CultureInfo.InvariantCulture, $"signal {signal}"),
        { ExitCode: { } code } => string.Create(CultureInfo.InvariantCulture, $"exit code {code}"),
        _ => "an unknown cause",
    };

    private static string Quote(string stderr)
    {
        var text = ResultFailures.OneLine(stderr, MaxQuote);
        return text.Length == 0 ? "" : $" It said: {text}";
    }
}
