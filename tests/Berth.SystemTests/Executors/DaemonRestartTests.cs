using Berth.Engine.Docker;
using Berth.Engine.Executors;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>FAULTS B 20: a daemon that is ended or killed in the middle of a run, and started anew.</summary>
public sealed class DaemonRestartTests
{
    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public async Task B20_A_restart_of_the_daemon_is_never_taken_for_a_normal_end(bool liveRestore, bool isKilled)
    {
        await using var daemon = await PrivateDaemon.StartAsync(liveRestore);
        await using var stage = new ExecutorStage(
            SandboxKind.Container,
            folder => DockerExecutorTests.NewExecutor(
                folder, new DockerClient(DockerEndpoint.Parse(daemon.Host), TimeProvider.System)));
        var run = stage.NewRun();
        var id = ExecutorStage.IdOf(run);
        await stage.StartAsync(stage.Shell(
            run, "echo partial > work.txt; echo said; until [ -e go ]; do sleep 0.1; done; echo done"));
        await Eventually.TrueAsync(
            async () => (await stage.PrintedAsync(id)).Contains("said", StringComparer.Ordinal), "the agent speaks");

        await (isKilled ? daemon.KillAsync() : daemon.EndAsync());
        await daemon.StartAsync();
        stage.Restart();
        var found = await stage.Executor.RecoverAsync(id, Ending);

        Assert.True(!liveRestore || found.State == ExecutionState.Running, $"{found}");
        if (found.State == ExecutionState.Running)
        {
            await File.WriteAllTextAsync(Path.Combine(run.Workspace, "go"), "", Ending);
            found = await Eventually.SomeAsync(
                async () => await stage.Executor.RecoverAsync(id, Ending) is { State: not ExecutionState.Running } ended
                    ? ended
                    : null,
                "the run ends");
        }

        // Ended by itself after its last word, or stopped, or lost.
        var isDone = (await stage.PrintedAsync(id)).Contains("done", StringComparer.Ordinal);
        var hasEnded = found is { State: ExecutionState.Exited, Exit: { Cause: ExitCause.Exited, ExitCode: 0 } };
        var isStopped = found is { Exit.Cause: ExitCause.SupervisorStopped } or { Failure: not null };
        Assert.True(hasEnded ? isDone : isStopped, $"{found}");
        Assert.True(File.Exists(Path.Combine(run.Workspace, "work.txt")));
        await Eventually.TrueAsync(
            async () => (await stage.CleanUpAsync(id)).Count == 0, "the daemon lets go of the container");
    }
}
