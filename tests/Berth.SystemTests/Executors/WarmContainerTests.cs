using Berth.Engine.Docker;
using Berth.Engine.Executors;
using Berth.Engine.Executors.Docker;
using Berth.Protocol;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>A host that is killed between any two steps of an adoption, and what the next one makes of it.</summary>
public sealed class WarmContainerTests : IAsyncLifetime
{
    private const string Key = "key";
    private readonly DockerClient docker = DockerExecutorTests.NewClient();
    private readonly ExecutorStage stage = new(SandboxKind.Container, DockerExecutorTests.NewExecutor);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private WarmSlots Slots => new(stage.RunsFolder);

    private WarmPool Pool => new(
        new DockerExecutorOptions
        {
            RunsFolder = stage.RunsFolder,
            SupervisorPath = SystemTestEnvironment.PublishedSupervisor,
            Image = SystemTestEnvironment.RunImage,
        },
        Slots,
        docker,
        TimeProvider.System);

    [Theory]
    [InlineData("taken")]
    [InlineData("renamed")]
    [InlineData("ordered")]
    public async Task Until_it_was_let_go_on_a_run_was_never_started_and_then_begins_once_in_that_container(string step)
    {
        var (run, slot) = await TakeAsync();
        var spec = stage.Shell(run, "echo once");
        await DieAfterAsync(step, spec, slot);

        Assert.Equal(ExecutionState.NeverStarted, (await stage.Executor.RecoverAsync(spec.RunId, Cancel)).State);
        Assert.False(await stage.Executor.CancelExecutionAsync(spec.RunId, force: false, Cancel));
        var exit = await stage.RunAsync(spec);

        Assert.Equal(0, exit.ExitCode);
        Assert.Equal(slot.ContainerId, ContainerRecord.Of(run)!.ContainerId);
        Assert.Equal(["once"], await stage.PrintedAsync(spec.RunId));
        await AssertCleanAsync(spec.RunId, slot);
    }

    [Fact]
    public async Task One_that_was_let_go_on_and_not_recorded_is_a_running_one()
    {
        var (run, slot) = await TakeAsync();
        var spec = stage.Shell(run, "echo once; sleep 2");
        await DieAfterAsync("ordered", spec, slot);
        await docker.UnpauseAsync(slot.ContainerId, Cancel);

        Assert.Equal(ExecutionState.Running, (await stage.Executor.RecoverAsync(spec.RunId, Cancel)).State);
        await stage.EndOfAsync(spec.RunId);
        Assert.Equal(["once"], await stage.PrintedAsync(spec.RunId));
        await AssertCleanAsync(spec.RunId, slot);
    }

    [Theory]
    [InlineData("taken")]
    [InlineData("renamed")]
    [InlineData("ordered")]
    public async Task A_run_that_is_given_up_before_it_begins_leaves_no_container(string step)
    {
        var (run, slot) = await TakeAsync();
        var spec = stage.Shell(run, "true");
        await DieAfterAsync(step, spec, slot);

        Assert.Contains(
            await stage.Executor.ListOwnedAsync(Cancel),
            owned => string.Equals(owned.RunId, spec.RunId, StringComparison.Ordinal));
        await AssertCleanAsync(spec.RunId, slot);
    }

    [Fact]
    public async Task What_waits_is_no_run_and_stays_when_runs_are_cleaned_up()
    {
        var (run, slot) = await TakeAsync();
        await Pool.RefillAsync(Wanted, 1, Cancel);
        var waiting = Assert.Single(Slots.Waiting());

        Assert.NotEqual(slot.ContainerId, waiting.Record.ContainerId);
        var owned = Assert.Single(await stage.Executor.ListOwnedAsync(Cancel));
        Assert.Equal(ExecutorStage.IdOf(run), owned.RunId);
        await AssertCleanAsync(owned.RunId, slot);
        Assert.True((await docker.FindAsync(waiting.Record.ContainerId, Cancel)) is { State.Paused: true });
    }

    [Fact]
    public async Task A_container_whose_slot_and_run_are_lost_is_removed_and_that_of_a_run_that_has_not_begun_is_not()
    {
        var (lost, slot) = await TakeAsync();
        var (_, kept) = await TakeAsync();
        Directory.Delete(lost.Root, recursive: true);
        await Pool.RefillAsync(null, 1, Cancel);

        Assert.Null(await docker.FindAsync(slot.ContainerId, Cancel));
        Assert.NotNull(await docker.FindAsync(kept.ContainerId, Cancel));
    }

    [Fact]
    public async Task Of_many_refills_at_once_no_more_slots_come_than_may_wait()
    {
        var kinds = Enumerable.Range(0, 4).Select(number => Wanted with
        {
            Key = $"key {number}",
            Shape = Wanted.Shape with { Policy = stage.Policy with { Processes = 100 + number } },
        });
        await Task.WhenAll(kinds.Select(wanted => Pool.RefillAsync(wanted, 2, Cancel)));

        Assert.Equal(2, Slots.Waiting().Count);
        Assert.Empty(Slots.Unusable());
    }

    [Fact]
    public async Task A_supervisor_that_waits_ends_when_its_container_is_stopped()
    {
        var (_, slot) = await TakeAsync();
        await docker.UnpauseAsync(slot.ContainerId, Cancel);
        await ExecutorStage.ToolAsync(
            "docker", ["--host", SystemTestEnvironment.DockerHost, "stop", "--time", "30", slot.ContainerId])
            .WaitAsync(TimeSpan.FromSeconds(20), Cancel);

        Assert.Equal(0, (await docker.FindAsync(slot.ContainerId, Cancel))!.State.ExitCode);
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var removed in await Pool.RemoveAllAsync(dryRun: false, CancellationToken.None))
        {
            Assert.Empty(removed.Leaked);
        }

        await stage.DisposeAsync();
        docker.Dispose();
    }

    private WantedSlot Wanted => new(Key, new ContainerShape(stage.Policy, SystemTestEnvironment.FakeClaude));

    private async Task<(RunDirectory Run, WarmSlot Slot)> TakeAsync()
    {
        await Pool.RefillAsync(Wanted, 1, Cancel);
        var run = stage.NewRun();
        Directory.Delete(run.Root, recursive: true);
        Assert.True(Slots.TryTake(Key, run.Root));
        return (run, WarmSlot.Of(run)!);
    }

    private async Task DieAfterAsync(string step, ExecutionSpec spec, WarmSlot slot)
    {
        if (step is "renamed" or "ordered")
        {
            Assert.True(await docker.RenameAsync(slot.ContainerId, $"berth-{spec.RunId}", Cancel));
        }

        if (step is "ordered")
        {
            var image = await docker.FindImageAsync(SystemTestEnvironment.RunImage, Cancel);
            var run = new RunDirectory(Path.Combine(stage.RunsFolder, spec.RunId));
            ExecutionRecords.WriteSpec(run, ContainerPlan.Orders(spec, image!, git: null));
        }

        stage.Restart();
    }

    private async Task AssertCleanAsync(string runId, WarmSlot slot)
    {
        Assert.Empty(await stage.CleanUpAsync(runId));
        Assert.Null(await docker.FindAsync(slot.ContainerId, Cancel));
        await ExecutorStage.NoProcessesAsync(runId);
    }
}
