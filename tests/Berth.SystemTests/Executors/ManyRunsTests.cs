using System.Globalization;
using Berth.Engine.Executors;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Executors;

/// <summary>Many executions from one process, which has to be the same afterwards.</summary>
[Collection(Alone.Name)]
public sealed class ManyRunsTests : IAsyncDisposable
{
    private readonly ExecutorStage stage = new(SandboxKind.Bubblewrap, LocalExecutorTests.NewExecutor);

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A17_Many_short_runs_leave_no_zombie_and_no_descriptor()
    {
        var count =
            int.Parse(Environment.GetEnvironmentVariable("BERTH_TEST_RUNS") ?? "50", CultureInfo.InvariantCulture);
        await stage.RunAsync(stage.Shell(stage.NewRun(), "echo warm"));
        var before = Descriptors();

        await Parallel.ForEachAsync(
            Enumerable.Range(0, count),
            new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Ending },
            async (_, _) =>
            {
                var spec = stage.Shell(stage.NewRun(), "echo hello > file; echo hello");
                Assert.Equal(0, (await stage.RunAsync(spec)).ExitCode);
                Assert.Empty(await stage.CleanUpAsync(spec.RunId));
            });

        await Eventually.TrueAsync(
            () => ProcessTree.ZombiesOf(Environment.ProcessId).Count == 0, "every child was reaped");
        Assert.InRange(Descriptors(), 0, before + 15);
    }

    public ValueTask DisposeAsync() => stage.DisposeAsync();

    private static int Descriptors() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count();
}
