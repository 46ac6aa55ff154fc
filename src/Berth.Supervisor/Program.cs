using Berth.Protocol;
using Berth.Protocol.Posix;
using Berth.Supervisor;

const int BadUsage = 64;
const int Broken = 70;
if (args is [ListenThenBecome.Word, ..])
{
    return ListenThenBecome.Run(args);
}

if (GitErrands.IsAsked)
{
    return GitErrands.Run(args);
}

if (args is not [var folder, ..] || !Path.IsPathFullyQualified(folder)
    || !ContainerInit.TryRead(args[1..], out var owner, out var waits))
{
    ErrorLog.Say("berth-supervisor: give the absolute path of a run directory; in a container also "
        + "the numbers of the user and the group that own it.");
    return BadUsage;
}

// The main thread starts the agent and never ends before it: a parent-death signal fires when the starting thread ends.
try
{
    var directory = owner is null ? new RunDirectory(folder) : ContainerInit.Enter(folder, owner);
    return waits && !ContainerInit.WaitForSpec(directory) ? 0 : SupervisedRun.Execute(directory, TimeProvider.System);
}
catch (FailureException failure)
{
    var (code, message, hint, _) = failure.Failure;
    ErrorLog.Say($"berth-supervisor: {code}: {message} {hint}");
    return 1;
}
catch (Exception surprise)
{
    // The run boundary: whatever broke here, nothing of the run may live on unwatched.
    ErrorLog.Say($"berth-supervisor: {surprise}");
    RunProcesses.KillEverything();
    return Broken;
}
