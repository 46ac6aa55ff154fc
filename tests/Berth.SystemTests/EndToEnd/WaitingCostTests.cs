using System.Globalization;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.EndToEnd;

/// <summary>FAULTS 58: a run that waits costs nothing, and one whose home was removed is not there any more.</summary>
public sealed class WaitingCostTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task F58_Nothing_of_a_run_lives_on_when_its_home_is_removed()
    {
        var home = await BerthHome.CreateAsync(Cancel);
        home.Set("CLAUDE_CODE_MAX_CONCURRENT", "1");
        try
        {
            var running = await home.DetachAsync("bash touch started; sleep 4758\n---\nhang");
            await home.WaitForFileAsync(running, "started");
            var waiting = await home.DetachAsync("text Never.");
            await home.StateAsync(waiting, "queued");
            var supervisor = home.SupervisorOf(running)!;

            Directory.Delete(home.Home, recursive: true);

            await Eventually.TrueAsync(
                () => HomeRuns.HostsOf(running).Count + HomeRuns.HostsOf(waiting).Count == 0, "the hosts end", Bound);
            await Eventually.TrueAsync(() => !supervisor.IsAlive, "the supervisor ends", Bound);
            await HomeRuns.NothingLeftAsync(running);
        }
        finally
        {
            await home.DisposeAsync();
        }
    }

    [Fact]
    public async Task F58_A_run_that_waits_wakes_up_a_few_times_a_second_at_most()
    {
        await using var home = await BerthHome.CreateAsync(Cancel);
        var id = await home.DetachAsync($"bash {HomeRuns.WaitForGo}\n---\ntext Done.");
        await home.WaitForFileAsync(id, "started");
        IReadOnlyList<ProcessIdentity> ours = [.. HomeRuns.HostsOf(id), home.SupervisorOf(id)!];

        // What a start has still to do ends soon; a loop that looks again and again never does.
        await Eventually.TrueAsync(
            async () => await WakingsAsync(ours, TimeSpan.FromSeconds(4)) < 4 * 30,
            "host and supervisor are quiet",
            Bound);
        home.LetGo(id);
        var run = await home.FinalAsync(id);

        Assert.Equal("succeeded", run.GetProperty("state").GetString());
    }

    // How often threads gave up the processor to wait: once for each waking.
    private static async Task<long> WakingsAsync(IReadOnlyList<ProcessIdentity> processes, TimeSpan during)
    {
        var before = processes.Sum(Waits);
        await Task.Delay(during, Cancel);
        return processes.Sum(Waits) - before;
    }

    private static long Waits(ProcessIdentity process)
    {
        const string Name = "voluntary_ctxt_switches:";
        return (
            from task in Directory.EnumerateDirectories($"/proc/{process.Pid}/task")
            from line in File.ReadLines(Path.Combine(task, "status"))
            where line.StartsWith(Name, StringComparison.Ordinal)
            select long.Parse(line.AsSpan(Name.Length), CultureInfo.InvariantCulture)).Sum();
    }
}
