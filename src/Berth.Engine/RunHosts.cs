using System.ComponentModel;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Starts the hosts of runs: detached processes of our own program, one for each run.</summary>
internal sealed class RunHosts(BerthOptions options, RunDirectories directories)
{
    /// <summary>Starts the host of a run.</summary>
    /// <exception cref="FailureException"><c>host_start_failed</c>.</exception>
    public void Start(string id)
    {
        var command = options.HostCommand;
        try
        {
            using var host = DetachedProgram.Start(
                command[0],
                [.. command.Skip(1), id],
                options.Environment,
                ChildStdio.File(directories.HostLog(id)));
        }
        catch (Win32Exception refused)
        {
            throw new FailureException(
                "host_start_failed",
                $"The program that hosts runs, {command[0]}, could not be started: {refused.Message}.",
                "Check that Berth is installed completely; berth ps starts the run's host again.",
                Fault.Operator,
                refused);
        }
    }
}
