using System.ComponentModel;
using Berth.Engine.Processes;
using Berth.Engine.Runs;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine;

/// <summary>Starts the hosts of runs: detached processes of our own program, one for each run.</summary>
internal sealed class RunHosts(BerthOptions options, RunDirectories directories)
{
    /// <summary>Says to a host that it is to wait until it is told to begin.</summary>
    public const string WaitOption = "--wait";

    /// <summary>Starts the host of a run.</summary>
    /// <exception cref="FailureException"><c>host_start_failed</c>.</exception>
    public void Start(string id)
    {
        using var host = Start(options, id, [], ChildStdio.Null, ChildStdio.File(directories.HostLog(id)));
    }

    /// <summary>Starts a host for a run that is yet to be created. It gets ready while the request is checked, and ends
    /// by itself when it is not told to begin.</summary>
    /// <exception cref="FailureException"><c>host_start_failed</c>.</exception>
    public static WaitingProgram StartWaiting(BerthOptions options, string id) =>
        new(Start(options, id, [WaitOption], ChildStdio.Pipe, ChildStdio.Null));

    private static ChildProcess Start(
        BerthOptions options, string id, IReadOnlyList<string> more, ChildStdio input, ChildStdio error)
    {
        var command = options.HostCommand;
        try
        {
            return DetachedProgram.Start(
                command[0], [.. command.Skip(1), id, .. more], options.Environment, input, error);
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

/// <summary>The host of a run that is yet to be created.</summary>
/// <param name="Id">The id that the run is to have.</param>
/// <param name="Program">The host, which waits for the run.</param>
internal sealed record WaitingHost(string Id, WaitingProgram Program) : IDisposable
{
    /// <summary>Lets go of it: it goes on with its run, or ends where there is none.</summary>
    public void Dispose() => Program.Dispose();
}
