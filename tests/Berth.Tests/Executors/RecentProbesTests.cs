using Berth.Engine.Executors;
using Berth.Engine.Executors.Local;
using Berth.Engine.Transcripts;
using Berth.Tests.Supervisor;
using Xunit;

namespace Berth.Tests.Executors;

public sealed class RecentProbesTests : IDisposable
{
    private static readonly ExecutionPolicy Bare = new() { Sandbox = SandboxKind.None };
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    private readonly string folder = Directory.CreateTempSubdirectory("berth-probes-").FullName;
    private readonly ManualTime time = new();
    private readonly RecentProbes probes;
    private readonly LocalExecutor executor;

    public RecentProbesTests()
    {
        probes = new RecentProbes(time);
        executor = new LocalExecutor(
            new LocalExecutorOptions { RunsFolder = folder, SupervisorPath = "/bin/true" },
            new JournalReader(TimeProvider.System),
            TimeProvider.System);

        // A CLI that notes each time it is asked for its version.
        File.WriteAllText(Claude, $"#!/bin/sh\necho asked >> {folder}/asked\necho 1.2.3\n");
        File.SetUnixFileMode(Claude, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
    }

    private string Claude => Path.Combine(folder, "claude");

    private int Asked => File.Exists(Path.Combine(folder, "asked"))
        ? File.ReadAllLines(Path.Combine(folder, "asked")).Length
        : 0;

    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_worked_a_moment_ago_is_not_tried_again()
    {
        var first = await AskAsync();
        time.Advance(TimeSpan.FromSeconds(4));
        var second = await AskAsync();

        Assert.True(first.Ok);
        Assert.Same(first, second);
        Assert.Equal(1, Asked);
    }

    [Fact]
    public async Task What_is_no_longer_new_is_tried_again_beside_whoever_asks_and_once()
    {
        var first = await AskAsync();
        time.Advance(TimeSpan.FromSeconds(6));

        Assert.Same(first, await AskAsync());
        Assert.Same(first, await AskAsync());
        await RenewedAsync(first);
        Assert.Equal(2, Asked);
    }

    [Fact]
    public async Task After_a_minute_whoever_asks_waits_for_a_probe_of_his_own()
    {
        var first = await AskAsync();
        time.Advance(TimeSpan.FromSeconds(61));

        Assert.NotSame(first, await AskAsync());
        Assert.Equal(2, Asked);
    }

    [Fact]
    public async Task What_failed_is_tried_again_each_time()
    {
        var supervisor = Path.Combine(folder, "supervisor");
        var lacking = new LocalExecutor(
            new LocalExecutorOptions { RunsFolder = folder, SupervisorPath = supervisor },
            new JournalReader(TimeProvider.System),
            TimeProvider.System);

        var before = await probes.ProbeAsync(lacking, Bare, Claude, Ending);
        File.Copy("/bin/true", supervisor);
        var after = await probes.ProbeAsync(lacking, Bare, Claude, Ending);

        Assert.Equal("supervisor_missing", before.Failure!.Code);
        Assert.True(after.Ok, after.Failure?.Message);
    }

    [Fact]
    public async Task What_is_found_lacking_beside_is_refused_from_then_on()
    {
        Assert.True((await AskAsync()).Ok);
        File.Delete(Claude);
        time.Advance(TimeSpan.FromSeconds(6));
        await AskAsync();

        for (var began = TimeProvider.System.GetTimestamp(); (await AskAsync()).Ok;)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Bound, "The failed probe was not noticed.");
            await Task.Yield();
        }

        Assert.Equal("cli_not_found", (await AskAsync()).Failure!.Code);
    }

    [Fact]
    public async Task Another_CLI_is_another_probe()
    {
        await AskAsync();

        var other = await probes.ProbeAsync(executor, Bare, Path.Combine(folder, "other"), Ending);

        Assert.Equal("cli_not_found", other.Failure!.Code);
        Assert.True((await AskAsync()).Ok);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Task<ExecutorProbe> AskAsync() => probes.ProbeAsync(executor, Bare, Claude, Ending);

    private async Task RenewedAsync(ExecutorProbe first)
    {
        for (var began = TimeProvider.System.GetTimestamp(); ReferenceEquals(await AskAsync(), first);)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Bound, "No other probe was begun.");
            await Task.Yield();
        }
    }
}
