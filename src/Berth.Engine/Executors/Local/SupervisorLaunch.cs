using System.Collections;
using System.ComponentModel;
using System.Globalization;
using Berth.Engine.Processes;
using Berth.Protocol;
using Berth.Protocol.Posix;

namespace Berth.Engine.Executors.Local;

/// <summary>Starts a supervisor that outlives us, and waits until it can be found again by anyone.</summary>
internal sealed class SupervisorLaunch(LocalExecutorOptions options, TimeProvider time)
{
    private const int Kill = 9;

    // What the runtime needs to find itself, and what a coverage measurement needs to find us. Nothing else of ours
    // is the supervisor's.
    private static readonly string[] Inherited = ["DOTNET_", "CORECLR_", "COVERLET_"];

    /// <summary>Starts it. From here on no token counts: an execution is started whole or not at all.</summary>
    /// <param name="run">The run directory.</param>
    /// <param name="runId">The run.</param>
    /// <param name="again">Whether another host may have started one for this run before it died.</param>
    internal async Task<ExecutionHandle> StartAsync(RunDirectory run, string runId, bool again)
    {
        var started = time.GetTimestamp();
        while (again && IsAlive(runId))
        {
            if (await HandleOrPauseAsync(run, started) is { } handle)
            {
                return handle;
            }

            if (time.GetElapsedTime(started) > options.StartLimit)
            {
                await RunProcesses.KillAllAsync(runId, () => [], time, options.StartLimit);
            }
        }

        if (ExecutionRecords.Handle(run) is { } there)
        {
            return there;
        }

        using var child = Start(run, runId);
        started = time.GetTimestamp();
        while (true)
        {
            var ended = child.Exit.IsCompleted;
            if (await HandleOrPauseAsync(run, started) is { } handle)
            {
                return handle;
            }

            if (ended && !IsAlive(runId))
            {
                throw Died(run, await child.Exit);
            }

            if (time.GetElapsedTime(started) > options.StartLimit)
            {
                KillTree(child);
                throw Late(run);
            }
        }
    }

    private static bool IsAlive(string runId) => RunProcesses.All()[runId].Any();

    private async Task<ExecutionHandle?> HandleOrPauseAsync(RunDirectory run, long started)
    {
        var handle = ExecutionRecords.Handle(run);
        if (handle is null)
        {
            await Task.Delay(LaunchPause.After(time.GetElapsedTime(started)), time);
        }

        return handle;
    }

    private ChildProcess Start(RunDirectory run, string runId)
    {
        if (!File.Exists(options.SupervisorPath))
        {
            throw new FailureException(Missing.Supervisor(options.SupervisorPath));
        }

        try
        {
            return DetachedProgram.Start(
                options.SupervisorPath,
                [run.Root],
                SupervisorEnvironment(runId),
                ChildStdio.File(run.SupervisorLog));
        }
        catch (Win32Exception refused)
        {
            throw new FailureException(
                "supervisor_start_failed",
                $"The supervisor {options.SupervisorPath} could not be started for run {runId}: {refused.Message}",
                "Check that it is executable and that the disk is not full; `berth doctor` says more.",
                Fault.Operator,
                refused);
        }
    }

    private static Dictionary<string, string> SupervisorEnvironment(string runId)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
            [RunProcesses.Variable] = runId,

            // The runtime's diagnostics leave a socket in /tmp when they are killed.
            ["DOTNET_EnableDiagnostics"] = "0",
        };
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (variable is { Key: string name, Value: string value }
                && Inherited.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
            {
                environment[name] = value;
            }
        }

        return environment;
    }

    private static void KillTree(ChildProcess child)
    {
        var tree = ProcessTree.DescendantsOf(child.Id);
        child.Signal(Kill);
        foreach (var process in tree)
        {
            process.Signal(Kill);
        }
    }

    private FailureException Died(RunDirectory run, ChildExit exit)
    {
        var how = exit.Signal is { } signal
            ? string.Create(CultureInfo.InvariantCulture, $"signal {signal}")
            : string.Create(CultureInfo.InvariantCulture, $"exit code {exit.Code}");
        return new FailureException(
            "supervisor_died_at_start",
            $"The supervisor {options.SupervisorPath} ended with {how} before it had begun. "
            + ExecutionRecords.LastWords(run),
            $"Look at {run.SupervisorLog}, and try `berth doctor`.",
            Fault.Operator);
    }

    private FailureException Late(RunDirectory run) => new(
        "supervisor_start_timeout",
        $"The supervisor {options.SupervisorPath} had not begun after {options.StartLimit.TotalSeconds:0} s; "
        + "it was killed. "
        + ExecutionRecords.LastWords(run),
        "The machine is overloaded or its disk hangs; try again when it is not.",
        Fault.Operator);
}
