using System.ComponentModel;
using Berth.Protocol;

namespace Berth.Supervisor;

/// <summary>Says why a program could not be started, with its path.</summary>
internal static class StartFailures
{
    private const int NotFound = 2;
    private const int TooLong = 7;
    private const int WrongFormat = 8;
    private const int NoMemory = 12;
    private const int NotAllowed = 13;
    private const int Again = 11;
    private static readonly string[] SandboxSays = ["bwrap: ", "berth-supervisor: "];
    private static readonly string[] SandboxCannotRun = ["bwrap: execvp ", ListenThenBecome.CannotRun];

    internal static Failure Of(AgentStep agent, Exception cause)
    {
        var path = agent.Argv[0];
        var number = (cause as Win32Exception)?.NativeErrorCode ?? 0;
        if (number is NotFound or NotAllowed && agent.WorkingDirectory is { } folder && !Directory.Exists(folder))
        {
            return new Failure(
                "working_directory_missing", $"The agent was to be started in {folder}, which is not there.",
                "Start the run again; the workspace was removed while it was being prepared.", Fault.Operator);
        }

        return Of(path, number, cause.Message);
    }

    /// <summary>What a sandbox that never came to start the agent had to say, or null where it did start it.</summary>
    internal static Failure? OfSandbox(string firstErrorLine)
    {
        if (!Array.Exists(SandboxSays, word => firstErrorLine.StartsWith(word, StringComparison.Ordinal)))
        {
            return null;
        }

        if (Array.Find(SandboxCannotRun, word => firstErrorLine.StartsWith(word, StringComparison.Ordinal))
            is not { } cannotRun)
        {
            return new Failure(
                "sandbox_failed", $"The sandbox could not be set up: {firstErrorLine}",
                "Run `berth doctor`; it says what the sandbox needs.", Fault.Operator);
        }

        var end = firstErrorLine.LastIndexOf(": ", StringComparison.Ordinal);
        var path = firstErrorLine[cannotRun.Length..Math.Max(end, cannotRun.Length)];
        var number = firstErrorLine[(end + 2)..] switch
        {
            "No such file or directory" => NotFound,
            "Permission denied" => NotAllowed,
            "Exec format error" => WrongFormat,
            "Argument list too long" => TooLong,
            _ => 0,
        };
        return Of(path, number, firstErrorLine);
    }

    private static Failure Of(string path, int number, string message) => number switch
    {
        NotFound => new Failure(
            "agent_not_found",
            $"The agent {path} was to be started, and there is no such program (or no such interpreter).",
            "Install the Claude Code CLI, or set BERTH_CLAUDE to its path; `berth doctor` says what is looked for. In "
            + "a container its interpreter is the image's C library, which must be glibc; Alpine's is not.",
            Fault.Operator),
        NotAllowed => new Failure(
            "agent_not_executable", $"The agent {path} was to be started, and may not be executed.",
            $"Make it executable: chmod +x {path}. On a file system mounted noexec, install it elsewhere.",
                Fault.Operator),
        WrongFormat => new Failure(
            "agent_wrong_format", $"The agent {path} was to be started, and is no program for this machine.",
            "Install the Claude Code CLI for this architecture.", Fault.Operator),
        TooLong => new Failure(
            "agent_arguments_too_long",
            $"The agent {path} was to be started, and its arguments and environment are too long.",
            "Make the environment or the allowed tools of the workflow shorter.", Fault.User),
        NoMemory or Again => new Failure(
            "agent_no_resources",
            $"The agent {path} was to be started, and the system had no room for another process: {message}",
            "Run fewer at once, or raise the process or memory limit.", Fault.Operator),
        _ => new Failure(
            "agent_start_failed", $"The agent {path} was to be started: {message}",
            "Run `berth doctor`.", Fault.Operator),
    };
}
