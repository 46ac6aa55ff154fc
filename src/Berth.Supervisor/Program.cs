using Berth.Protocol;
using Berth.Supervisor;

const int BadUsage = 64;
const int Broken = 70;
if (args is not [var folder] || !Path.IsPathFullyQualified(folder))
{
    Console.Error.WriteLine("berth-supervisor: give one argument, the absolute path of a run directory.");
    return BadUsage;
}

// The main thread starts the agent and never ends before it: a parent-death signal fires when the starting thread ends.
try
{
    return SupervisedRun.Execute(new RunDirectory(folder), TimeProvider.System);
}
catch (FailureException failure)
{
    var (code, message, hint, _) = failure.Failure;
    Console.Error.WriteLine($"berth-supervisor: {code}: {message} {hint}");
    return 1;
}
catch (Exception surprise)
{
    // The run boundary: whatever broke here, nothing of the run may live on unwatched.
    Console.Error.WriteLine($"berth-supervisor: {surprise}");
    RunProcesses.KillEverything();
    return Broken;
}
