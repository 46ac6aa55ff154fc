using System.Diagnostics;
using System.Globalization;
using Berth.Protocol;
using Berth.Protocol.Posix;
using Xunit;

namespace Berth.SystemTests.Supervisor;

/// <summary>FAULTS A 13 and C 25: limits of memory, processes and disk are told by name.</summary>
public sealed class LimitTests : IDisposable
{
    private readonly List<string> cgroups = [];
    private readonly List<string> mounts = [];

    // On another disk: said by the agent when it has printed all.
    private readonly string flooded = Path.Combine(Path.GetTempPath(), $"berth-flooded-{Guid.NewGuid():N}");
    private SupervisedFixture? run;

    public void Dispose()
    {
        run?.Dispose();
        File.Delete(flooded);
        foreach (var folder in cgroups)
        {
            RemoveCgroup(folder);
        }

        foreach (var mount in mounts)
        {
            Execute("/usr/bin/umount", mount);
            Directory.Delete(mount);
        }
    }

    [Fact]
    public async Task A_process_limit_that_was_met_is_told()
    {
        var folder = Cgroup("/sys/fs/cgroup/pids", "pids.max", "12");
        run = new SupervisedFixture { Limits = new ExecutionLimits { Cgroups = [folder], DrainGrace = TimeSpan.Zero } };
        run.Start("/bin/sh", "-c", "i=0; while [ $i -lt 40 ]; do sleep 4731 & i=$((i+1)); done; wait");
        var exit = await run.EndAsync();
        Assert.True(exit.ProcessLimit);
        Assert.False(exit.OutOfMemory);
        await SupervisedFixture.NoProcessAsync("sleep\u00004731");
    }

    [Fact]
    public async Task A_memory_limit_that_was_met_is_told()
    {
        var folder = Cgroup("/sys/fs/cgroup/memory", "memory.limit_in_bytes",
            (64 * 1024 * 1024).ToString(CultureInfo.InvariantCulture));
        run = new SupervisedFixture { Limits = new ExecutionLimits { Cgroups = [folder], DrainGrace = TimeSpan.Zero } };
        run.Start("/usr/bin/tail", "/dev/zero");
        var exit = await run.EndAsync();
        Assert.True(exit.OutOfMemory);
        Assert.Equal(9, exit.Signal);
    }

    [Fact]
    public async Task A_cgroup_that_is_not_there_refuses_the_start()
    {
        run = new SupervisedFixture { Limits = new ExecutionLimits { Cgroups = ["/sys/fs/cgroup/berth-not-here"] } };
        run.Start("/bin/true");
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.StartFailed, "cgroup_refused"), (exit.Cause, exit.StartFailure?.Code));
    }

    [Fact]
    public async Task A_full_disk_costs_output_and_nothing_else_once_there_is_space_again()
    {
        run = OnSmallDisk(out var ballast);
        run.StartFake(
            $"!say before\n!flood 9000000\n!sh touch {flooded}; while [ ! -e go ]; do sleep 0.05; done\n"
            + "!say after\n!result kept");
        await FullAsync(ballast);
        File.Delete(ballast);
        await File.WriteAllTextAsync(Path.Combine(run.Directory.Workspace, "go"), "",
            TestContext.Current.CancellationToken);
        var exit = await run.EndAsync();
        Assert.Equal((ExitCause.Exited, 0), (exit.Cause, exit.ExitCode));
        Assert.True(exit.DroppedBytes > 1_000_000, $"{exit}");
        var entries = run.Entries();
        Assert.Equal(Enumerable.Range(1, entries.Count).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
        Assert.Contains(entries, entry => SupervisedFixture.IsType(entry, BerthEvents.Notice)
            && entry.Data.TryGetProperty("bytes", out var bytes) && bytes.GetInt64() > 1_000_000);
        Assert.Contains(entries, entry => SupervisedFixture.IsType(entry, "result"));
    }

    [Fact]
    public async Task A_disk_that_is_full_at_the_end_delays_the_exit_file()
    {
        run = OnSmallDisk(out var ballast);
        run.StartFake($"!flood 9000000\n!sh touch {flooded}");
        await FullAsync(ballast);
        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        Assert.False(File.Exists(run.Directory.ExitFile));
        Assert.True((await run.AskAsync(new ControlRequest { Verb = ControlVerb.Ping })).Ok);
        File.Delete(ballast);
        var exit = await run.EndAsync();
        Assert.Equal(0, exit.ExitCode);
        Assert.True(run.Has("result"));
    }

    // A process that was killed is in it until the kernel has taken it apart.
    private static void RemoveCgroup(string folder)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                Directory.Delete(folder);
                return;
            }
            catch (IOException) when (watch.Elapsed < SupervisedFixture.Bound)
            {
                Thread.Sleep(TimeSpan.FromMilliseconds(20));
            }
        }
    }

    // And the whole flood is over: what of it came later would fill the disk again, for good.
    private Task FullAsync(string ballast) => Eventually.TrueAsync(
        () => IsFull(ballast) && File.Exists(flooded), "the full disk", SupervisedFixture.Bound);

    private static bool IsFull(string path) => new DriveInfo(path).AvailableFreeSpace < 64 * 1024;

    private static void Execute(string program, params string[] arguments)
    {
        using var child = ChildProcess.Start(new ChildProcessStart
        {
            FileName = program, Arguments = arguments, Environment = new Dictionary<string,
                string>(StringComparer.Ordinal),
        });
        Assert.Equal(0, child.Exit.WaitAsync(SupervisedFixture.Bound).GetAwaiter().GetResult().Code);
    }

    private SupervisedFixture OnSmallDisk(out string ballast)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "A small disk can only be mounted by root.");
        var mount = Directory.CreateTempSubdirectory("berth-small-disk-").FullName;
        Execute("/usr/bin/mount", "-t", "tmpfs", "-o", "size=8m", "berth-test", mount);
        mounts.Add(mount);
        ballast = Path.Combine(mount, "ballast");
        File.WriteAllBytes(ballast, new byte[5 * 1024 * 1024]);
        return new SupervisedFixture(Directory.CreateDirectory(Path.Combine(mount, "run")).FullName);
    }

    private string Cgroup(string hierarchy, string limit, string value)
    {
        Assert.SkipUnless(
            Environment.IsPrivilegedProcess && File.Exists(Path.Combine(hierarchy, "cgroup.procs")),
            $"This machine has no cgroup hierarchy {hierarchy} that may be written.");
        var folder = Path.Combine(hierarchy, $"berth-test-{Guid.NewGuid():N}");
        Directory.CreateDirectory(folder);
        cgroups.Add(folder);
        File.WriteAllText(Path.Combine(folder, limit), value);
        return folder;
    }
}
